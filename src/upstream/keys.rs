//! Key sets of token issuers.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::auth::{FetchError, FetchKeys, KEYS_BYTES_MAX};

/// Time for the whole fetch, from name resolution to the last byte.
const DEADLINE: Duration = Duration::from_secs(3);

/// Fetches key sets over HTTP or HTTPS.
pub struct KeyClient(reqwest::Client);

/// For a configuration without key sets: there is nothing to fetch, and no certificates of the system are needed.
pub struct NoKeys;

impl FetchKeys for NoKeys {
    fn fetch<'a>(&'a self, _url: &'a str) -> BoxFuture<'a, Result<String, FetchError>> {
        async { Err(FetchError::Connection) }.boxed()
    }
}

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the process has no TLS provider")]
    NoTlsProvider,
    #[error("the HTTP client can not be set up")]
    Client(#[source] reqwest::Error),
}

impl KeyClient {
    /// The process must have its default TLS provider by then.
    ///
    /// # Errors
    /// If there is no TLS provider, or the system's certificates can not be read.
    pub fn new() -> Result<Self, UpstreamError> {
        // The client would panic without one.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(UpstreamError::NoTlsProvider);
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            // The environment is the business of the configuration alone.
            .no_proxy()
            // Fetches are minutes apart and may start on different workers; a kept connection would outlive its worker.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(UpstreamError::Client)?;
        Ok(Self(client))
    }

    async fn body(&self, url: &str) -> Result<String, FetchError> {
        let mut response =
            self.0.get(url).header("accept", "application/json").send().await.map_err(|error| cause(&error))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
            if body.len() + chunk.len() > KEYS_BYTES_MAX {
                return Err(FetchError::Body);
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| FetchError::Body)
    }
}

impl FetchKeys for KeyClient {
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<String, FetchError>> {
        async move {
            let fetched = self.body(url).await;
            // One line per fetch at most, and those are half a minute apart.
            if let Err(error) = &fetched {
                // The query may hold a key of its own.
                let url = url.split('?').next().unwrap_or_default();
                tracing::warn!(url, %error, "failed to fetch the key set");
            }
            fetched
        }
        .boxed()
    }
}

fn cause(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() { FetchError::Timeout } else { FetchError::Connection }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with `answer` and gives the fetch's result.
    async fn fetched(answer: String) -> Result<String, FetchError> {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = socket.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /jwks.json HTTP/1.1\r\n"));
            // The client hangs up in the middle of an answer that is too long.
            let _ = socket.write_all(answer.as_bytes()).await;
        };
        let client = KeyClient::new().unwrap();
        tokio::join!(client.fetch(&url), serve).0
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn the_body_of_a_good_answer_comes_back() {
        assert_eq!(fetched(ok(r#"{"keys":[]}"#)).await.unwrap(), r#"{"keys":[]}"#);
        assert_eq!(fetched(ok(&"x".repeat(KEYS_BYTES_MAX))).await.unwrap().len(), KEYS_BYTES_MAX);
    }

    #[tokio::test]
    async fn other_answers_are_failures() {
        let redirect = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(fetched(redirect.to_owned()).await, Err(FetchError::Status(302)));
        assert_eq!(fetched(ok(&"x".repeat(KEYS_BYTES_MAX + 1))).await, Err(FetchError::Body));
        assert_eq!(
            fetched("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx".to_owned()).await,
            Err(FetchError::Connection)
        );
        assert_eq!(fetched("SSH-2.0-x\r\n\r\n".to_owned()).await, Err(FetchError::Connection));
    }
}
