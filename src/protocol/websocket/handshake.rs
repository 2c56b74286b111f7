//! The opening handshake, server's side (RFC 6455, section 4.2).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{
    AsHeaderName, CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Response, StatusCode, Version};
use sha1::{Digest as _, Sha1};

/// Why a request cannot become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    #[error("the request does not ask for an upgrade to WebSocket over HTTP/1.1")]
    NotAnUpgrade,
    #[error("the request's method is not GET")]
    NotGet,
    #[error("the WebSocket version is not 13")]
    UnsupportedVersion,
    #[error("the WebSocket key is not one base64 value of 16 bytes")]
    InvalidKey,
}

impl UpgradeError {
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotAnUpgrade | Self::InvalidKey => StatusCode::BAD_REQUEST,
            Self::NotGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedVersion => StatusCode::UPGRADE_REQUIRED,
        }
    }

    /// Headers that the answer must carry beside its status.
    pub fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::NotAnUpgrade | Self::InvalidKey => {}
            Self::NotGet => {
                headers.insert(http::header::ALLOW, HeaderValue::from_static("GET"));
            }
            Self::UnsupportedVersion => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
        }
        headers
    }
}

/// A request that may become a WebSocket, and what the answer must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    accept: HeaderValue,
    subprotocol: Option<HeaderValue>,
}

impl Accept {
    /// The headers of the answer, whose status is 101. Of the subprotocols offered the first is taken; extensions are
    /// not.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(subprotocol) = &self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol.clone());
        }
        headers
    }

    /// The whole answer.
    pub fn response<B: Default>(&self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = self.headers();
        response
    }
}

/// # Errors
/// If the request is not a valid opening handshake; the first fault in the order of [`UpgradeError`]'s variants.
pub fn check_upgrade(method: &Method, version: Version, headers: &HeaderMap) -> Result<Accept, UpgradeError> {
    let asks = has_token(headers, UPGRADE, "websocket") && has_token(headers, CONNECTION, "upgrade");
    if !asks || version != Version::HTTP_11 {
        return Err(UpgradeError::NotAnUpgrade);
    }
    if method != Method::GET {
        return Err(UpgradeError::NotGet);
    }
    if only(headers, SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(UpgradeError::UnsupportedVersion);
    }
    let accept = only(headers, SEC_WEBSOCKET_KEY)
        .and_then(accept_key)
        .and_then(|accept| HeaderValue::try_from(accept).ok())
        .ok_or(UpgradeError::InvalidKey)?;
    let subprotocol = tokens(headers, SEC_WEBSOCKET_PROTOCOL)
        .next()
        .filter(|offered| offered.bytes().all(is_token_byte))
        .and_then(|offered| HeaderValue::from_str(offered).ok());
    Ok(Accept { accept, subprotocol })
}

/// The `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`; `None` unless the key is 16 bytes in base64.
pub fn accept_key(sec_websocket_key: &str) -> Option<String> {
    let mut nonce = [0; KEY_BYTES + 2];
    let is_key = KEY_BASE64.decode_slice(sec_websocket_key, &mut nonce) == Ok(KEY_BYTES);
    is_key.then(|| {
        let digest = Sha1::new().chain_update(sec_websocket_key).chain_update(KEY_SUFFIX).finalize();
        KEY_BASE64.encode(digest)
    })
}

/// The value of a header that may stand only once.
fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok().map(str::trim))?
}

fn has_token(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    tokens(headers, name).any(|value| value.eq_ignore_ascii_case(token))
}

/// The members of a header's list, over all its lines.
fn tokens(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 6455, section 1.3.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const KEY_BYTES: usize = 16;

/// Padded, but generous about the four bits that a careless client leaves set after the sixteenth byte.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn request(changes: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]
        .iter()
        .chain(changes)
        {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn check(changes: &[(&'static str, &'static str)]) -> Result<Accept, UpgradeError> {
        check_upgrade(&Method::GET, Version::HTTP_11, &request(changes))
    }

    #[test]
    fn the_key_of_the_rfc_is_accepted_as_it_says() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ==").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for key in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZTE=", "dGhlIHNhbXBsZSBub25j", "?"] {
            assert_eq!(accept_key(key), None, "{key}");
        }
        assert_eq!(accept_key(&"A".repeat(10_000)), None);
    }

    #[test]
    fn the_first_subprotocol_is_echoed_and_no_extension_is() {
        let asked = [("sec-websocket-protocol", "v1.json, v2"), ("sec-websocket-extensions", "permessage-deflate")];
        let response = check(&asked).unwrap().response::<()>();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-protocol"], "v1.json");
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
        assert!(!check(&[]).unwrap().headers().contains_key("sec-websocket-protocol"));
    }

    #[test]
    fn each_fault_of_a_request_has_its_answer() {
        assert_eq!(check(&[("upgrade", "h2c")]), Err(UpgradeError::NotAnUpgrade));
        assert_eq!(check(&[("connection", "keep-alive")]), Err(UpgradeError::NotAnUpgrade));
        assert_eq!(check(&[("sec-websocket-version", "8")]), Err(UpgradeError::UnsupportedVersion));
        assert_eq!(check(&[("sec-websocket-key", "short")]), Err(UpgradeError::InvalidKey));
        assert_eq!(check_upgrade(&Method::POST, Version::HTTP_11, &request(&[])), Err(UpgradeError::NotGet));
        assert_eq!(check_upgrade(&Method::GET, Version::HTTP_10, &request(&[])), Err(UpgradeError::NotAnUpgrade));
        assert_eq!(UpgradeError::UnsupportedVersion.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(UpgradeError::UnsupportedVersion.headers()["sec-websocket-version"], "13");
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        let mut headers = request(&[]);
        headers.append("sec-websocket-key", HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(check_upgrade(&Method::GET, Version::HTTP_11, &headers), Err(UpgradeError::InvalidKey));
    }
}
