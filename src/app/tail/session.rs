//! One Engine.IO session over long-polling, with one namespace in it.
//!
//! ```text
//! GET ─► 0{sid…}   POST 40{auth}   GET ─► 40{sid}   POST 420["join",…]   GET ─► 430[{ok}]   GET ─► 42[…] …
//! ```

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::line::Event;
use crate::app::cli::Tail;
use crate::app::publish::unreachable;
use crate::app::terminal::{Failure, complain, one_line};
use crate::protocol::engine::{self, Packet, decode_payload};
use crate::protocol::socket::{self, Limits, PacketType, Reassembly};
use crate::upstream::{Answer, Client};

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// The gateway does not want us; coming back would not help.
    Refused(Failure),
    /// The gateway wants us to come back later.
    Later(String),
    /// The connection or the session is gone.
    Lost(Failure),
    NobodyReads,
}

pub(super) struct Session<'a> {
    tail: &'a Tail,
    client: Client,
    /// With the session's id.
    url: String,
    poll_deadline: Duration,
    reassembly: Reassembly,
    /// Whether events carry their place in the log.
    recoverable: bool,
}

/// What of the open packet matters to a client that does not upgrade.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    sid: String,
    ping_interval: u64,
    ping_timeout: u64,
}

impl<'a> Session<'a> {
    /// Opens the session and asks for the namespace; the answer to that comes with the first poll.
    pub async fn open(tail: &'a Tail) -> Result<Self, End> {
        let base = endpoint(&tail.url);
        let client = Client::new(&base).map_err(|error| End::Refused(Failure::new(error.to_string(), "")))?;
        let answer = client.get(&format!("{base}?EIO=4&transport=polling"), DEADLINE).await;
        let answer = answer.map_err(|error| End::Lost(unreachable(&tail.url, error)))?;
        let body = admitted(&tail.url, answer)?;
        let open = match decode_payload(&body).next() {
            Some(Ok(Packet::Open(open))) => serde_json::from_str::<Open>(open).ok(),
            _ => None,
        };
        let Some(open) = open.filter(|open| is_plain(&open.sid)) else { return Err(no_gateway(&tail.url)) };
        let session = Self {
            tail,
            client,
            url: format!("{base}?EIO=4&transport=polling&sid={}", open.sid),
            poll_deadline: Duration::from_millis(open.ping_interval.saturating_add(open.ping_timeout)) + SLACK,
            reassembly: Reassembly::new(PACKET_BYTES_MAX),
            recoverable: false,
        };
        let auth = session.tail.token.as_ref().map(|token| json!({ "token": token }).to_string());
        session.send(&socket::encode(PacketType::Connect, &tail.namespace, None, auth.as_deref(), 0)).await?;
        Ok(session)
    }

    /// Polls until the session ends. Input: what the polls bring.
    pub async fn follow(&mut self, print: &mut impl FnMut(&Event<'_>) -> bool) -> End {
        loop {
            let answer = match self.client.get(&self.url, self.poll_deadline).await {
                Ok(answer) => answer,
                Err(error) => return End::Lost(unreachable(&self.tail.url, error)),
            };
            let body = match admitted(&self.tail.url, answer) {
                Ok(body) => body,
                // Within a session a refusal means that it is gone.
                Err(End::Refused(failure) | End::Lost(failure)) => return End::Lost(failure),
                Err(end) => return end,
            };
            for packet in decode_payload(&body) {
                if let Err(end) = self.take(packet, print).await {
                    return end;
                }
            }
        }
    }

    async fn take(
        &mut self,
        packet: Result<Packet<'_>, engine::ParseError>,
        print: &mut impl FnMut(&Event<'_>) -> bool,
    ) -> Result<(), End> {
        match packet {
            Ok(Packet::Ping(_)) => self.post(engine::PONG.to_owned()).await,
            Ok(Packet::Close) => Err(End::Later("the gateway closed the session".into())),
            Ok(Packet::Message(text)) => {
                let packet = self.reassembly.accept_text(text, &LIMITS).map_err(|error| broken(&error.to_string()))?;
                match packet {
                    Some(packet) => self.packet(&packet, &[], print).await,
                    None => Ok(()),
                }
            }
            Ok(Packet::Binary(bytes)) => {
                let bytes = Bytes::from(bytes.into_owned());
                let whole = self.reassembly.accept_binary(bytes).map_err(|error| broken(&error.to_string()))?;
                let Some(whole) = whole else { return Ok(()) };
                let sizes: Vec<usize> = whole.attachments.iter().map(Bytes::len).collect();
                self.packet(&whole.packet(), &sizes, print).await
            }
            Ok(Packet::Open(_) | Packet::Pong(_) | Packet::Upgrade | Packet::Noop) => Ok(()),
            Err(error) => Err(broken(&error.to_string())),
        }
    }

    async fn packet(
        &mut self,
        packet: &socket::Packet<'_>,
        attachments: &[usize],
        print: &mut impl FnMut(&Event<'_>) -> bool,
    ) -> Result<(), End> {
        let data = packet.data.unwrap_or_default();
        match packet.kind {
            PacketType::Connect => self.admitted(data).await,
            PacketType::ConnectError => Err(self.refused(data)),
            PacketType::Disconnect => Err(End::Refused(Failure::new("the gateway disconnected this client", ""))),
            PacketType::Ack | PacketType::BinaryAck => self.joined(data),
            PacketType::Event | PacketType::BinaryEvent => {
                let event = Event { args: data, attachments, recoverable: self.recoverable };
                if print(&event) { Ok(()) } else { Err(End::NobodyReads) }
            }
        }
    }

    /// The namespace is ours; the room comes next.
    async fn admitted(&mut self, data: &str) -> Result<(), End> {
        #[derive(Deserialize)]
        struct Admitted {
            pid: Option<String>,
        }
        self.recoverable = serde_json::from_str(data).is_ok_and(|Admitted { pid }| pid.is_some());
        complain(&format!("connected to {}", one_line(&self.tail.url)));
        let Some(room) = &self.tail.room else { return Ok(()) };
        let join = json!(["join", { "room": room }]).to_string();
        self.send(&socket::encode(PacketType::Event, &self.tail.namespace, Some(JOIN_ID), Some(&join), 0)).await
    }

    /// The only ack there can be is that of the join.
    fn joined(&self, data: &str) -> Result<(), End> {
        #[derive(Deserialize)]
        struct Joined {
            ok: bool,
            error: Option<String>,
            message: Option<String>,
        }
        let room = one_line(self.tail.room.as_deref().unwrap_or_default());
        match serde_json::from_str::<[Joined; 1]>(data) {
            Ok([Joined { ok: true, .. }]) => {
                complain(&format!("joined {room}"));
                Ok(())
            }
            // The backplane is away; the same session would not try again by itself.
            Ok([Joined { error: Some(code), .. }]) if code == "UNAVAILABLE" => {
                Err(End::Later(format!("{room} cannot be joined now")))
            }
            Ok([Joined { error, message, .. }]) => {
                let why = [error, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
                Err(End::Refused(Failure::new(
                    format!("joining {room} was refused: {}", one_line(&why)),
                    "allow it in namespaces.*.join, or give a --token with the right claims",
                )))
            }
            Err(_) => Err(broken("the answer to the join is not readable")),
        }
    }

    fn refused(&self, data: &str) -> End {
        #[derive(Deserialize)]
        struct Refused {
            message: String,
            data: Option<Details>,
        }
        #[derive(Deserialize)]
        struct Details {
            code: Option<String>,
        }
        let refused = serde_json::from_str(data).unwrap_or_else(|_| Refused { message: data.to_owned(), data: None });
        let code = refused.data.and_then(|details| details.code).unwrap_or_default();
        let cure = match code.as_str() {
            "AUTH_REQUIRED" => "give a token with --token; `fanfare token` signs one",
            "AUTH_EXPIRED" => "get a fresh token",
            "AUTH_INVALID" => "the gateway's log says which check failed (realtime.auth_failed)",
            "UNAVAILABLE" => return End::Later(one_line(&refused.message)),
            _ => "check --namespace against the gateway's configuration",
        };
        let namespace = one_line(&self.tail.namespace);
        End::Refused(Failure::new(format!("{namespace} refuses: {}", one_line(&refused.message)), cure))
    }

    /// A Socket.IO packet.
    async fn send(&self, packet: &str) -> Result<(), End> {
        self.post(format!("{}{packet}", engine::MESSAGE)).await
    }

    /// An Engine.IO packet.
    async fn post(&self, packet: String) -> Result<(), End> {
        let answer = self.client.post(&self.url, "text/plain;charset=UTF-8", None, packet, DEADLINE).await;
        let answer = answer.map_err(|error| End::Lost(unreachable(&self.tail.url, error)))?;
        admitted(&self.tail.url, answer).map(drop)
    }
}

/// A URL with a path names the Engine.IO endpoint itself.
fn endpoint(url: &str) -> String {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let has_path = url[after_scheme..].trim_end_matches('/').contains('/');
    format!("{}/{}", url.trim_end_matches('/'), if has_path { "" } else { "socket.io/" })
}

/// The body of an answer that is one.
fn admitted(url: &str, answer: Answer) -> Result<String, End> {
    match answer.status {
        200 => Ok(answer.body),
        // 400 with code 1 is a session that ended; 502 to 504 come from the gateway or from what stands before it.
        503 | 502 | 504 | 429 => Err(End::Later(format!("{} answers HTTP status {}", one_line(url), answer.status))),
        404 => Err(no_gateway(url)),
        status => {
            let body = one_line(&answer.body.chars().take(200).collect::<String>());
            Err(End::Refused(Failure::new(format!("{} refused with HTTP status {status}: {body}", one_line(url)), "")))
        }
    }
}

fn no_gateway(url: &str) -> End {
    End::Refused(Failure::new(
        format!("there is no Socket.IO at {}", one_line(url)),
        "give the address clients connect to; where engine.path is set, with that path",
    ))
}

fn broken(why: &str) -> End {
    End::Lost(Failure::new(format!("the gateway sent something odd: {why}"), ""))
}

/// The id goes into an address.
fn is_plain(sid: &str) -> bool {
    !sid.is_empty() && sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

const JOIN_ID: u64 = 0;
const DEADLINE: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(5);
const PACKET_BYTES_MAX: usize = 32 * 1024 * 1024;
/// More than a gateway lets pass.
const LIMITS: Limits = Limits { attachments: 10, depth: 100, event_name_bytes: 1024 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_path_names_the_endpoint() {
        assert_eq!(endpoint("http://a:1"), "http://a:1/socket.io/");
        assert_eq!(endpoint("http://a:1/"), "http://a:1/socket.io/");
        assert_eq!(endpoint("http://a:1/realtime"), "http://a:1/realtime/");
    }
}
