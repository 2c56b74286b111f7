//! `fanfare health`: asks a running gateway whether it is ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use super::cli::Health;
use super::terminal::{Failure, conclude, one_line};
use crate::config::{Flags, read_process};
use crate::upstream::{Client, RequestError};

pub async fn run(args: Health) -> ExitCode {
    let outcome = match admin_address(args) {
        Ok(address) => health(&address).await,
        Err(failure) => Err(failure),
    };
    conclude(outcome)
}

/// Ready, or why not. The address is a host and a port.
async fn health(address: &str) -> Result<String, Failure> {
    let url = format!("http://{address}/readyz");
    let client = Client::new(&url).map_err(|error| Failure::new(error.to_string(), ""))?;
    match client.get(&url, DEADLINE).await {
        Ok(answer) if answer.status == 200 => Ok("ready".into()),
        Ok(answer) if answer.status == 503 => Err(Failure::new(format!("not ready: {}", one_line(&answer.body)), "")),
        Ok(answer) => Err(Failure::new(
            format!("{address} answered with HTTP status {}", answer.status),
            "give the address of the admin port with --admin",
        )),
        Err(RequestError::Url) => {
            Err(Failure::usage(format!("{} is no address", one_line(address)), "write it as host:port"))
        }
        Err(error) => Err(Failure::new(
            format!("{address} cannot be asked: {error}"),
            "is the gateway running, and --admin right?",
        )),
    }
}

/// Without a flag, the address the gateway itself would take from environment and file.
fn admin_address(args: Health) -> Result<String, Failure> {
    if let Some(address) = args.admin {
        return Ok(address.parse().map_or(address, |address| reachable(address).to_string()));
    }
    let settings = read_process(Flags::default()).map_err(|faults| Failure::faults(&faults))?;
    Ok(reachable(settings.admin).to_string())
}

/// An address to listen on everywhere is none to connect to.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

const DEADLINE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::super::testing::{free_address, serve};
    use super::*;

    async fn asked(status: u16, body: &'static str) -> Result<String, Failure> {
        let status = StatusCode::from_u16(status).unwrap();
        let address = serve(Router::new().route("/readyz", get(async move || (status, body)))).await;
        health(&address.to_string()).await
    }

    #[tokio::test]
    async fn the_answer_of_the_admin_port_decides() {
        assert_eq!(asked(200, "{}").await, Ok("ready".into()));
        let failure = asked(503, r#"{"ready":false}"#).await.unwrap_err();
        assert_eq!((failure.exit, failure.what.as_str()), (1, r#"not ready: {"ready":false}"#));
        assert!(asked(404, "").await.unwrap_err().cure.contains("--admin"));
    }

    #[tokio::test]
    async fn nobody_there_is_not_ready() {
        let failure = {
            super::super::testing::tls_provider();
            health(&free_address().to_string()).await
        }
        .unwrap_err();
        assert!(failure.exit == 1 && failure.what.contains("refused"), "{failure}");
    }

    #[test]
    fn an_address_for_all_interfaces_is_asked_on_this_machine() {
        let admin = |text: &str| admin_address(Health { admin: Some(text.into()) }).unwrap();
        assert_eq!(admin("0.0.0.0:9090"), "127.0.0.1:9090");
        assert_eq!(admin("[::]:9090"), "[::1]:9090");
        assert_eq!(admin("gateway:9090"), "gateway:9090");
    }
}
