//! The first packet of a session, and what is said instead when there will be none.

use serde_json::Value;

/// What the open packet tells the client. Exactly these five keys, in this order: the official suites compare the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake<'a> {
    pub sid: &'a str,
    /// `["websocket"]` on polling, empty on a WebSocket.
    pub upgrades: &'a [&'a str],
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    /// Largest message, and largest POST body, that the server takes.
    pub max_payload_bytes: u64,
}

/// The open packet with its digit.
pub fn open_packet(handshake: &Handshake<'_>) -> String {
    let Handshake { sid, upgrades, ping_interval_ms, ping_timeout_ms, max_payload_bytes } = *handshake;
    let (sid, upgrades) = (Value::from(sid), Value::from(upgrades));
    format!(
        r#"0{{"sid":{sid},"upgrades":{upgrades},"pingInterval":{ping_interval_ms},"pingTimeout":{ping_timeout_ms},"maxPayload":{max_payload_bytes}}}"#
    )
}

/// Why a request is not admitted; the codes are those that clients know from the reference server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    #[error("the transport is unknown")]
    TransportUnknown,
    #[error("the session is unknown")]
    SessionUnknown,
    #[error("a handshake must be a GET")]
    BadMethod,
    #[error("the request does not fit its session or transport")]
    BadRequest,
    #[error("the request was refused")]
    Forbidden,
    #[error("the protocol version is not supported")]
    UnsupportedVersion,
}

impl HandshakeError {
    pub fn code(self) -> u8 {
        match self {
            Self::TransportUnknown => 0,
            Self::SessionUnknown => 1,
            Self::BadMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion => 5,
        }
    }

    /// The text of the JSON body; a refused WebSocket upgrade gets it bare.
    pub fn message(self) -> &'static str {
        match self {
            Self::TransportUnknown => "Transport unknown",
            Self::SessionUnknown => "Session ID unknown",
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    /// HTTP status of the answer to a polling request. A WebSocket upgrade is refused with 400 whatever the code.
    pub fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::TransportUnknown
            | Self::SessionUnknown
            | Self::BadMethod
            | Self::BadRequest
            | Self::UnsupportedVersion => 400,
        }
    }

    /// The JSON body of the answer.
    pub fn body(self) -> String {
        format!(r#"{{"code":{},"message":"{}"}}"#, self.code(), self.message())
    }
}
