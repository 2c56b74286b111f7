//! What a refused request is answered: the one table, in step with `docs/api.md`.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::auth;
use crate::backplane::PublishError;
use crate::event::json::PublicationFault;
use crate::flows::correlation_id;

/// A request, or one publication of a batch, that is not served.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    #[serde(rename = "error")]
    pub kind: Kind,
    message: String,
    /// The field concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    correlation_id: String,
    /// Seconds, for `Retry-After`.
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// Why; each has its code and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The body is not JSON, or not an object.
    Malformed,
    AuthRequired,
    AuthInvalid,
    AuthExpired,
    Forbidden,
    NotFound,
    Method,
    /// The body did not come in time.
    Timeout,
    Conflict,
    TooLarge,
    /// The body is compressed.
    Encoding,
    Invalid,
    RateLimited,
    Busy,
    Unavailable,
    NotReplicated,
}

impl Kind {
    /// The code and the status, which are the contract, and the label in `fanfare_publishes_total`.
    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Malformed => ("BAD_REQUEST", StatusCode::BAD_REQUEST, "bad_request"),
            Self::AuthRequired => ("AUTH_REQUIRED", StatusCode::UNAUTHORIZED, "auth_required"),
            Self::AuthInvalid => ("AUTH_INVALID", StatusCode::UNAUTHORIZED, "auth_invalid"),
            Self::AuthExpired => ("AUTH_EXPIRED", StatusCode::UNAUTHORIZED, "auth_expired"),
            Self::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND, "not_found"),
            Self::Method => ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Timeout => ("REQUEST_TIMEOUT", StatusCode::REQUEST_TIMEOUT, "timeout"),
            Self::Conflict => ("CONFLICT", StatusCode::CONFLICT, "conflict"),
            Self::TooLarge => ("TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Encoding => ("UNSUPPORTED_ENCODING", StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding"),
            Self::Invalid => ("VALIDATION_ERROR", StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::RateLimited => ("RATE_LIMITED", StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Busy => ("BUSY", StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Unavailable => ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::NotReplicated => ("NOT_REPLICATED", StatusCode::SERVICE_UNAVAILABLE, "not_replicated"),
        }
    }

    pub fn status(self) -> StatusCode {
        self.row().1
    }

    pub fn label(self) -> &'static str {
        self.row().2
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.row().0)
    }
}

impl Refusal {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let retry_after_s = (kind.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        let (message, correlation_id) = (message.into(), correlation_id());
        Self { kind, message, path: None, correlation_id, retry_after_s }
    }

    /// A value that cannot be, at this field.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message).at(path)
    }

    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Writes the line that the correlation id leads to; `cause` is for operators only.
    pub fn log(self, cause: &dyn std::fmt::Display) -> Self {
        let Self { kind, path, correlation_id, .. } = &self;
        if kind.status() == StatusCode::UNAUTHORIZED {
            tracing::info!(event = "realtime.auth_failed", way = "http", correlation_id, reason = %cause, "publish refused");
        } else {
            let reason = kind.label();
            tracing::debug!(event = "realtime.publish_refused", correlation_id, reason, path, %cause, "publish refused");
        }
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut reply = json(self.kind.status(), &self);
        if let Some(seconds) = self.retry_after_s {
            reply.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if self.kind.status() == StatusCode::UNAUTHORIZED {
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }
}

/// A JSON answer; nobody on the way may keep it.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("answers are structs with text fields, which all have a JSON form");
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

impl From<PublicationFault> for Refusal {
    fn from(fault: PublicationFault) -> Self {
        let path = fault.path();
        // Without a path it is the whole that is not what it must be.
        let kind = if fault.is_syntax() || path.is_empty() { Kind::Malformed } else { Kind::Invalid };
        let mut refusal = Self::new(kind, fault.to_string());
        refusal.path = (!path.is_empty()).then_some(path);
        refusal.log(&fault)
    }
}

impl From<auth::Refusal> for Refusal {
    fn from(refusal: auth::Refusal) -> Self {
        let kind = match refusal.code() {
            auth::Code::AuthRequired => Kind::AuthRequired,
            auth::Code::AuthInvalid => Kind::AuthInvalid,
            auth::Code::AuthExpired => Kind::AuthExpired,
            auth::Code::Unavailable => Kind::Unavailable,
            auth::Code::Forbidden => Kind::Forbidden,
        };
        let message = match kind {
            Kind::AuthRequired => "give an API key or a service token: Authorization: Bearer …, or X-API-Key",
            Kind::AuthInvalid => "the API key or service token is not valid here",
            _ => refusal.message(),
        };
        Self::new(kind, message).log(&refusal.class())
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        let refusal = match &error {
            PublishError::Conflict => Self::new(Kind::Conflict, error.to_string()).at("idempotencyKey"),
            PublishError::Busy => Self::new(Kind::Busy, error.to_string()),
            PublishError::NotReplicated { confirmed, wanted } => {
                let message = format!(
                    "published, but only {confirmed} of {wanted} replicas confirmed in time; asking again with the same idempotency key publishes nothing twice"
                );
                Self::new(Kind::NotReplicated, message)
            }
            // A fence is for leaders only; whoever meets one here can only try again.
            PublishError::Unavailable(_) | PublishError::Fenced => {
                let message = "the publication was not confirmed; repeat it, with the same idempotency key if it must not happen twice";
                Self::new(Kind::Unavailable, message)
            }
        };
        refusal.log(&error)
    }
}
