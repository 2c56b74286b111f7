//! Plain requests of the command line to a gateway.

use std::error::Error as _;
use std::time::Duration;

use super::UpstreamError;

/// Asks over HTTP or HTTPS: one request at a time, no redirects, no proxy, bounded answers.
pub struct Client(reqwest::Client);

/// What came back, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the URL is not one of http or https")]
    Url,
    #[error("the host name is unknown")]
    Name,
    #[error("the connection was refused")]
    Refused,
    #[error("there is no TLS connection to be had")]
    Tls,
    #[error("there was no answer in time")]
    Timeout,
    #[error("the connection broke off")]
    Connection,
    #[error("the answer is too large")]
    TooLarge,
    #[error("the answer is no text")]
    NoText,
}

impl Client {
    /// A client for `url`. Only for `https` the system's certificates are read, since a minimal container has none.
    ///
    /// # Errors
    /// If the process has no TLS provider, or the certificates cannot be read.
    pub fn new(url: &str) -> Result<Self, UpstreamError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(UpstreamError::NoTlsProvider);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            // The environment is the business of the configuration alone.
            .no_proxy();
        if !url.starts_with("https:") {
            builder = builder.tls_certs_only([]);
        }
        Ok(Self(builder.build().map_err(UpstreamError::Client)?))
    }

    /// `deadline` bounds the whole exchange.
    ///
    /// # Errors
    /// If no whole answer came.
    pub async fn get(&self, url: &str, deadline: Duration) -> Result<Answer, RequestError> {
        answer(self.0.get(checked(url)?).timeout(deadline)).await
    }

    /// `bearer` goes into the Authorization header.
    ///
    /// # Errors
    /// If no whole answer came.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        bearer: Option<&str>,
        body: String,
        deadline: Duration,
    ) -> Result<Answer, RequestError> {
        let mut request = self.0.post(checked(url)?).timeout(deadline).header("content-type", content_type).body(body);
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        answer(request).await
    }
}

fn checked(url: &str) -> Result<reqwest::Url, RequestError> {
    let url = reqwest::Url::parse(url).map_err(|_| RequestError::Url)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(RequestError::Url) }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, RequestError> {
    let mut response = request.send().await.map_err(|error| cause(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(RequestError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body: String::from_utf8(body).map_err(|_| RequestError::NoText)? })
}

/// The library tells apart little, so the causes below it are looked through.
fn cause(error: &reqwest::Error) -> RequestError {
    if error.is_timeout() {
        return RequestError::Timeout;
    }
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<rustls::Error>() {
            return RequestError::Tls;
        }
        // Has no type of its own to look for.
        if cause.to_string().starts_with("dns error") {
            return RequestError::Name;
        }
        next = match cause.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => return RequestError::Refused,
            // What an I/O error wraps is not among its sources.
            Some(io) => io.get_ref().map(|inner| -> &(dyn std::error::Error + 'static) { inner }),
            None => cause.source(),
        };
    }
    RequestError::Connection
}

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Far above what a gateway answers with default limits: one polling body holds at most a full outbox.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn client(url: &str) -> Client {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::new(url).unwrap()
    }

    #[tokio::test]
    async fn an_answer_comes_with_its_status_whatever_that_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap();
            socket.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
            String::from_utf8_lossy(&request[..length]).to_lowercase()
        };
        let client = client(&url);
        let (answer, request) =
            tokio::join!(client.post(&url, "application/json", Some("k-1"), "{}".into(), SOON), serve);
        assert_eq!(answer, Ok(Answer { status: 401, body: "no".into() }));
        assert!(request.contains("authorization: bearer k-1") && request.contains("application/json"), "{request}");
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let ask = async |url: &str| client(url).get(url, SOON).await.unwrap_err();
        assert_eq!(ask(&format!("http://{address}/")).await, RequestError::Refused);
        for wrong in ["", "127.0.0.1:1", "ftp://a/", "http://"] {
            assert_eq!(ask(wrong).await, RequestError::Url, "{wrong}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            // Closing with something unread would be a reset instead.
            let _ = socket.read(&mut [0; 4096]).await;
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        };
        assert_eq!(tokio::join!(ask(&url), serve).0, RequestError::Tls);
    }
}
