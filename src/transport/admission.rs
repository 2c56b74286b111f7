//! May this request go on, and what does it want? The checks of Engine.IO protocol 4 in the order of the reference.

use http::header::ORIGIN;
use http::{HeaderMap, Method};

use super::options::Listener;
use super::refusal::{Refusal, UNKNOWN};
use crate::ids::SessionId;
use crate::protocol::engine::HandshakeError;

/// The parameters of the protocol; all others belong to the application.
#[derive(Debug, Default)]
pub(super) struct Query {
    eio: Option<String>,
    transport: Option<String>,
    sid: Option<String>,
}

impl Query {
    pub fn session(&self) -> Option<SessionId> {
        SessionId::parse(self.sid.as_deref()?)
    }

    pub fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "EIO" => &mut parsed.eio,
                "transport" => &mut parsed.transport,
                "sid" => &mut parsed.sid,
                _ => continue,
            };
            field.get_or_insert_with(|| value.into_owned());
        }
        parsed
    }
}

/// What an admitted request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    OpenPolling,
    OpenWebSocket,
    Poll(SessionId),
    Post(SessionId),
    /// A WebSocket for a session that polls.
    Upgrade(SessionId),
    /// Refused in this way if the session exists; otherwise that is what is wrong.
    Wrong(SessionId, Refusal),
}

impl Admitted {
    /// The session that the request belongs to; none if it opens one.
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::OpenPolling | Self::OpenWebSocket => None,
            Self::Poll(sid) | Self::Post(sid) | Self::Upgrade(sid) | Self::Wrong(sid, _) => Some(sid),
        }
    }
}

/// Whether the session exists and fits is checked by the worker that owns it.
pub(super) fn admit(
    listener: &Listener,
    method: &Method,
    headers: &HeaderMap,
    query: &Query,
    upgrades: bool,
) -> Result<Admitted, Refusal> {
    let protocol = Refusal::Protocol;
    let websocket = match query.transport.as_deref() {
        Some("polling") if listener.polling => false,
        Some("websocket") if listener.websocket => true,
        _ => return Err(protocol(HandshakeError::TransportUnknown)),
    };
    if headers.get(ORIGIN).is_some_and(|origin| origin.to_str().is_err()) {
        return Err(protocol(HandshakeError::BadRequest));
    }
    let revision = query.eio.as_deref() == Some("4");
    let Some(sid) = query.sid.as_deref() else {
        if method != Method::GET {
            return Err(protocol(HandshakeError::BadMethod));
        }
        // An upgrade that asks for polling is refused too; the reference accepts the WebSocket and closes it.
        if websocket != upgrades {
            return Err(protocol(HandshakeError::BadRequest));
        }
        if !revision {
            return Err(protocol(HandshakeError::UnsupportedVersion));
        }
        return Ok(if websocket { Admitted::OpenWebSocket } else { Admitted::OpenPolling });
    };
    let sid = SessionId::parse(sid).ok_or(UNKNOWN)?;
    let bad_request = Admitted::Wrong(sid, protocol(HandshakeError::BadRequest));
    Ok(match (websocket, upgrades) {
        _ if !revision => bad_request,
        (true, true) => Admitted::Upgrade(sid),
        (true, false) | (false, true) => bad_request,
        (false, false) if method == Method::GET => Admitted::Poll(sid),
        (false, false) if method == Method::POST => Admitted::Post(sid),
        (false, false) => Admitted::Wrong(sid, Refusal::Method),
    })
}
