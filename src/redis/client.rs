//! Opens connections with every default of fred that loses or hoards messages overridden.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike as _, EventInterface as _};
use fred::types::Builder;
use fred::types::RespVersion;
use fred::types::config::{
    ClusterDiscoveryPolicy, Config, ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy, ServerConfig,
    TcpConfig, TlsConnector, UnresponsiveConfig,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::options::{ConnectError, Options};
use crate::backplane::Unavailable;

/// How to reach the server; makes as many connections as are asked for.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Connector {
    pub(super) fn new(options: &Options, tracker: TaskTracker, stop: CancellationToken) -> Result<Self, ConnectError> {
        let (url, tls) = without_tls(&options.url);
        let mut config = Config::from_url(&url).map_err(|error| ConnectError::Url(error.details().to_owned()))?;
        config.version = RespVersion::RESP3;
        if options.username.is_some() {
            config.username.clone_from(&options.username);
        }
        if options.password.is_some() {
            config.password.clone_from(&options.password);
        }
        if let ServerConfig::Clustered { policy, .. } = &mut config.server {
            *policy = ClusterDiscoveryPolicy::UseCache;
        }
        if tls {
            config.tls = Some(tls_connector(options)?.into());
        }
        Ok(Self { config, tracker, stop })
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.config.server.is_clustered()
    }

    /// Host and port of the first server that the URL names; of a Sentinel, with Sentinels.
    pub(super) fn first_server(&self) -> Option<(String, u16)> {
        self.config.server.hosts().first().map(|server| (server.host.to_string(), server.port))
    }

    /// Connects once; afterwards the connection is made again for ever, until everything stops.
    pub(super) async fn open(&self, messages_max: usize) -> Result<Client, ConnectError> {
        self.open_until(messages_max, self.stop.clone()).await
    }

    /// A token for a connection that may end before everything does.
    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.child_token()
    }

    pub(super) async fn open_until(
        &self,
        messages_max: usize,
        stop: CancellationToken,
    ) -> Result<Client, ConnectError> {
        let performance = PerformanceConfig {
            default_command_timeout: COMMAND_TIMEOUT,
            broadcast_channel_capacity: messages_max,
            ..PerformanceConfig::default()
        };
        let client = Builder::from_config(self.config.clone())
            .set_performance_config(performance)
            .set_connection_config(connection_config())
            .set_policy(reconnect_policy())
            .build()
            .map_err(|error| ConnectError::Url(error.details().to_owned()))?;
        let task = client.init().await.map_err(|error| self.unreachable(&error))?;
        self.tracker.spawn(keep_alive(client.clone(), task, stop));
        Ok(client)
    }

    /// Hosts and ports only: the rest of the URL may hold secrets.
    fn unreachable(&self, error: &Error) -> ConnectError {
        let hosts: Vec<String> = self.config.server.hosts().iter().map(ToString::to_string).collect();
        let why = match error.kind() {
            ErrorKind::Timeout => format!("no answer within {} ms", COMMAND_TIMEOUT.as_millis()),
            _ => plain(error.details()).to_owned(),
        };
        ConnectError::Unreachable { at: hosts.join(", "), why }
    }
}

/// fred shows the system's errors as the compiler derives them; what they say stands in quotes.
fn plain(details: &str) -> &str {
    details.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"')).map_or(details, |(message, _)| message)
}

/// fred's task ends on errors it thinks are final (a wrong password for the length of a rotation, say). None is final here.
async fn keep_alive(client: Client, mut task: fred::types::ConnectHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                let _ = tokio::time::timeout(COMMAND_TIMEOUT, client.quit()).await;
                task.abort();
                return;
            }
            _ = &mut task => {}
        }
        tracing::warn!(event = "redis.connection_ended", "the connection's task ended; it is started again");
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RESTART_DELAY) => {}
        }
        task = client.connect();
    }
}

/// Gives the connection up and makes a new one, in the background. Does nothing while one is being made.
pub(super) async fn replace(client: &Client) {
    if client.is_connected() {
        // The answer comes when the new connection stands, which may take for ever; the order alone is what counts.
        let _ = tokio::time::timeout(Duration::from_millis(50), client.force_reconnection()).await;
    }
}

/// Events of new connections. The first connection of a client comes before anybody can listen and is none.
pub(super) fn reconnections(client: &Client) -> tokio::sync::broadcast::Receiver<fred::types::config::Server> {
    client.reconnect_rx()
}

/// In words for an operator: no peer's bulk text, no secrets.
pub(super) fn unavailable(error: &Error, deadline: Duration) -> Unavailable {
    match error.kind() {
        ErrorKind::Timeout => late(deadline),
        ErrorKind::Canceled | ErrorKind::IO => Unavailable("not connected to Redis".to_owned()),
        ErrorKind::Backpressure => Unavailable("too many commands wait for Redis".to_owned()),
        _ => Unavailable(format!("Redis answered {}", error.details().chars().take(160).collect::<String>())),
    }
}

pub(super) fn late(deadline: Duration) -> Unavailable {
    Unavailable(format!("no answer from Redis within {} ms", deadline.as_millis()))
}

/// For every command that does not bring its own deadline.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);
const RESTART_DELAY: Duration = Duration::from_millis(500);

fn connection_config() -> ConnectionConfig {
    ConnectionConfig {
        connection_timeout: COMMAND_TIMEOUT,
        internal_command_timeout: COMMAND_TIMEOUT,
        // Bounded, yet far above what our own bounds let in: fred's own reconnect orders go through the same queue.
        max_command_buffer_len: 65_536,
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(Duration::from_secs(3)),
            interval: Duration::from_millis(500),
        },
        reconnect_on_auth_error: true,
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        // A demoted or loading server answers, but not usefully: look for the right one.
        reconnect_errors: vec![
            ReconnectError::ClusterDown,
            ReconnectError::Loading,
            ReconnectError::MasterDown,
            ReconnectError::ReadOnly,
        ],
        ..ConnectionConfig::default()
    }
}

fn reconnect_policy() -> ReconnectPolicy {
    let mut policy = ReconnectPolicy::new_exponential(0, 50, 2_000, 2);
    policy.set_jitter(50);
    policy
}

/// fred would read the system's certificates while it parses the URL; that is done here, and only if wanted.
fn without_tls(url: &str) -> (String, bool) {
    for (secure, plain) in [("rediss", "redis"), ("valkeys", "valkey")] {
        if let Some(rest) = url.strip_prefix(secure).filter(|rest| rest.starts_with(':') || rest.starts_with('-')) {
            return (format!("{plain}{rest}"), true);
        }
    }
    (url.to_owned(), false)
}

fn tls_connector(options: &Options) -> Result<TlsConnector, ConnectError> {
    let Some(path) = &options.ca_file else {
        return TlsConnector::default_rustls().map_err(|error| ConnectError::Authorities(error.details().to_owned()));
    };
    let mut roots = rustls::RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| ConnectError::Authorities(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| ConnectError::Authorities(error.to_string()))?;
        roots.add(certificate).map_err(|error| ConnectError::Authorities(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(ConnectError::Authorities("it holds no certificate".to_owned()));
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Authorities(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_told_in_words() {
        let derived = r#"Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }"#;
        assert_eq!(plain(derived), "Connection refused");
        assert_eq!(plain("WRONGPASS invalid username-password pair"), "WRONGPASS invalid username-password pair");
    }

    #[test]
    fn the_scheme_tells_whether_tls_is_wanted() {
        assert_eq!(without_tls("rediss-cluster://a"), ("redis-cluster://a".to_owned(), true));
        assert_eq!(without_tls("valkeys://a"), ("valkey://a".to_owned(), true));
        assert_eq!(without_tls("redis://rediss"), ("redis://rediss".to_owned(), false));
    }
}
