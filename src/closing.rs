//! Why a client goes: one closed set for logs, metrics and hooks.

/// Why a client's transport is about to be closed. A closed set: the names are metric labels and log fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The peer closed or lost the connection.
    TransportClose,
    /// Reading or writing failed.
    TransportError,
    PingTimeout,
    /// Invalid input; the Socket.IO word for it.
    ParseError,
    /// An Engine.IO packet or request against the protocol: what the client would read next is no longer certain, so it is
    /// told nothing and finds no session.
    EngineParseError,
    /// No namespace was joined in time.
    ConnectTimeout,
    /// The outbox was full or made no progress.
    SlowConsumer,
    /// A backend or an operator asked for it.
    ServerDisconnect,
    /// The client has come back on another connection, and its session went there.
    Resumed,
    /// The node is going away; the client is welcome at another one.
    Drain,
    /// The backplane is away, so the client cannot be served here.
    Unavailable,
    /// A message was larger than allowed.
    TooLarge,
    /// Text that is not UTF-8.
    InvalidText,
    /// A WebSocket frame against RFC 6455.
    ProtocolViolation,
}

impl Closing {
    pub fn name(self) -> &'static str {
        match self {
            Self::TransportClose => "transport_close",
            Self::TransportError => "transport_error",
            Self::PingTimeout => "ping_timeout",
            Self::ParseError => "parse_error",
            Self::EngineParseError => "engine_parse_error",
            Self::ConnectTimeout => "connect_timeout",
            Self::SlowConsumer => "slow_consumer",
            Self::ServerDisconnect => "server_disconnect",
            Self::Resumed => "resumed",
            Self::Drain => "drain",
            Self::Unavailable => "unavailable",
            Self::TooLarge => "too_large",
            Self::InvalidText => "invalid_text",
            Self::ProtocolViolation => "protocol_violation",
        }
    }
}
