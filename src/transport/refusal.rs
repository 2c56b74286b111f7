//! What a refused request is answered: the one table.

use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::request::Reply;
use crate::protocol::engine::HandshakeError;
use crate::protocol::websocket::UpgradeError;

/// Why a request at the Engine.IO endpoint is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// One of the protocol's own (`{"code":N,"message":"…"}`).
    Protocol(HandshakeError),
    /// The WebSocket opening handshake is wrong (RFC 6455, section 4.2.1).
    Upgrade(UpgradeError),
    /// Two requests of one kind at once; the session is closed.
    Overlap,
    /// A binary body, which Engine.IO 4 does not have; the session is closed.
    ContentType,
    TooLarge,
    /// Any method but GET, POST and OPTIONS on a session.
    Method,
    /// The node drains, is full, or cannot reach its backplane. The stock client tries again.
    Unavailable,
    /// A WebSocket from an origin that is not allowed.
    Origin,
}

/// No such session, or none any more: the stock client opens a new one.
pub(super) const UNKNOWN: Refusal = Refusal::Protocol(HandshakeError::SessionUnknown);
pub(super) const BAD_REQUEST: Refusal = Refusal::Protocol(HandshakeError::BadRequest);

impl Refusal {
    /// The label in `fanfare_requests_refused_total`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Protocol(HandshakeError::TransportUnknown) => "transport_unknown",
            Self::Protocol(HandshakeError::SessionUnknown) => "session_unknown",
            Self::Protocol(HandshakeError::BadMethod) => "bad_method",
            Self::Protocol(HandshakeError::BadRequest) => "bad_request",
            Self::Protocol(HandshakeError::Forbidden) => "forbidden",
            Self::Protocol(HandshakeError::UnsupportedVersion) => "unsupported_version",
            Self::Upgrade(_) => "upgrade",
            Self::Overlap => "overlap",
            Self::ContentType => "content_type",
            Self::TooLarge => "too_large",
            Self::Method => "method",
            Self::Unavailable => "unavailable",
            Self::Origin => "origin",
        }
    }

    /// The answer to a plain request.
    pub fn reply(self) -> Reply {
        match self {
            Self::Protocol(error) => json(error.status(), error.body()),
            Self::Upgrade(error) => {
                let mut reply = text(error.status(), "");
                reply.headers_mut().extend(error.headers());
                reply
            }
            Self::Overlap | Self::ContentType => text(StatusCode::BAD_REQUEST, ""),
            Self::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, ""),
            Self::Method => text(StatusCode::INTERNAL_SERVER_ERROR, ""),
            Self::Origin => text(StatusCode::FORBIDDEN, "origin not allowed"),
            Self::Unavailable => {
                let body = r#"{"code":"UNAVAILABLE","message":"not serving new sessions, try again"}"#;
                let mut reply = json(503, body.to_owned());
                reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                reply
            }
        }
    }

    /// The answer to a WebSocket upgrade: the bare message as text, and the connection is closed, as the reference does.
    pub fn upgrade_reply(self) -> Reply {
        let mut reply = match self {
            Self::Protocol(error) => text(StatusCode::BAD_REQUEST, error.message()),
            Self::Upgrade(_)
            | Self::Overlap
            | Self::ContentType
            | Self::TooLarge
            | Self::Method
            | Self::Origin
            | Self::Unavailable => self.reply(),
        };
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        reply
    }
}

fn json(status: u16, body: String) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

fn text(status: StatusCode, body: &'static str) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    reply
}
