//! What this machine gives a gateway: ports and open files.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::{Finding, fault, ok, warning};
use crate::app::health::reachable;
use crate::config::Settings;
use crate::upstream::Client;

/// Whether every port is free, or used by a gateway that runs already.
pub(super) async fn ports(settings: &Settings) -> Vec<Finding> {
    let listeners = settings.listeners();
    let addresses = listeners.iter().map(|listener| ("listen", listener.listen)).chain([("admin", settings.admin)]);
    let findings: Vec<Finding> = addresses.map(|(key, address)| port(key, address)).collect();
    if findings.iter().any(|finding| finding.what.contains(TAKEN)) && is_gateway(settings.admin).await {
        return vec![ok(format!("a gateway runs here already and answers on {}", settings.admin))];
    }
    findings
}

fn port(key: &str, address: SocketAddr) -> Finding {
    // Bound and given back at once.
    match TcpListener::bind(address).map_err(|error| error.kind()) {
        Ok(_) => ok(format!("{key}: {address} is free")),
        Err(ErrorKind::AddrInUse) => fault(
            format!("{key}: {address} {TAKEN}"),
            format!("stop what listens there, or choose another with --{key}"),
        ),
        Err(ErrorKind::PermissionDenied) => fault(
            format!("{key}: {address} needs more rights than this user has"),
            "choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE",
        ),
        Err(ErrorKind::AddrNotAvailable) => fault(
            format!("{key}: {address} is no address of this machine"),
            "use one that is, or 0.0.0.0 for all of them",
        ),
        Err(kind) => fault(format!("{key}: {address} cannot be listened on: {kind}"), "choose another address"),
    }
}

async fn is_gateway(admin: SocketAddr) -> bool {
    let url = format!("http://{}/readyz", reachable(admin));
    let Ok(client) = Client::new(&url) else { return false };
    let answer = client.get(&url, Duration::from_secs(2)).await;
    answer.is_ok_and(|answer| answer.body.contains(r#""ready":"#))
}

/// Whether as many files may be open as connections are allowed.
pub(super) fn open_files(settings: &Settings) -> Finding {
    // Only Linux has it, and gateways run there.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    judge(soft_limit(&limits), settings.limits.connections)
}

/// `None` where the file is not as expected; `u64::MAX` for no limit.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// `connections` is `limits.connections`, of which 0 means what the limit of open files allows.
fn judge(soft: Option<u64>, connections: usize) -> Finding {
    let Some(soft) = soft else {
        return warning("the limit of open files is not known", "make sure that it is above the number of clients");
    };
    let needed = connections as u64 + OWN_FILES;
    if connections > 0 && soft < needed {
        return fault(
            format!("limits.connections is {connections}, but only {soft} files may be open"),
            format!("raise it to {needed} at least: {RAISE}"),
        );
    }
    if connections == 0 && soft < FEW_FILES {
        return warning(format!("only {soft} files may be open, each client is one"), format!("raise it: {RAISE}"));
    }
    ok(format!("{soft} files may be open"))
}

const TAKEN: &str = "is taken";
/// Beside clients: listeners, Redis, pipes, the log.
const OWN_FILES: u64 = 128;
const FEW_FILES: u64 = 10_000;
const RAISE: &str = "`ulimit -n`, LimitNOFILE= in a systemd unit, --ulimit nofile= of a container";

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;

    use super::super::super::testing::{free_address, serve};
    use super::super::Verdict;
    use super::*;
    use crate::config::{Flags, Sources, load};

    fn settings(listen: SocketAddr, admin: SocketAddr) -> Settings {
        let text = format!("listen: \"{listen}\"\nadmin: \"{admin}\"\nnamespaces: {{\"/\": {{anonymous: true}}}}\n");
        let file = Some(("fanfare.yaml".into(), text));
        load(Sources { file, environment: std::iter::empty(), flags: Flags::default() }).unwrap()
    }

    #[tokio::test]
    async fn free_ports_are_right_and_taken_ones_are_not() {
        let settings = settings(free_address(), free_address());
        let findings = ports(&settings).await;
        assert!(findings.len() == 2 && findings.iter().all(|found| found.verdict == Verdict::Ok), "{findings:?}");

        let taken = TcpListener::bind(settings.listen).unwrap();
        let findings = ports(&settings).await;
        assert_eq!(findings[0].verdict, Verdict::Fault);
        assert!(findings[0].what.starts_with("listen") && findings[0].cure.contains("--listen"), "{findings:?}");
        drop(taken);
    }

    #[tokio::test]
    async fn ports_of_a_running_gateway_are_no_fault() {
        let admin = serve(Router::new().route("/readyz", get(async || r#"{"ready":true}"#))).await;
        let findings = ports(&settings(free_address(), admin)).await;
        assert!(findings.len() == 1 && findings[0].what.contains("runs here already"), "{findings:?}");
    }

    #[test]
    fn the_limit_of_open_files_is_read_and_judged() {
        let limits = "Limit     Soft Limit  Hard Limit  Units\nMax processes  1 2 processes\nMax open files  1024  524288  files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit("Max open files  unlimited unlimited files"), Some(u64::MAX));
        assert_eq!(soft_limit(""), None);
        assert_eq!(judge(Some(1024), 0).verdict, Verdict::Warning);
        assert_eq!(judge(Some(1024), 1000).verdict, Verdict::Fault);
        assert_eq!(judge(Some(1_048_576), 500_000).verdict, Verdict::Ok);
        assert_eq!(judge(None, 5).verdict, Verdict::Warning);
    }
}
