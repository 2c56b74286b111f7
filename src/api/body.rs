//! The body of a request, bounded in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::refusal::{Kind, Refusal};

/// Reads the body. What its content type says does not matter: it is JSON, or refused for not being JSON.
pub(super) async fn read(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Refusal> {
    let plain = |encoding: &http::HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get(CONTENT_ENCODING).is_none_or(plain) {
        return Err(Refusal::new(Kind::Encoding, "compressed bodies are not read; send it without Content-Encoding"));
    }
    // Asked before reading, so that nobody sends in vain what would not be taken.
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > bytes_max)) {
        return Err(too_large(bytes_max));
    }
    match tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, bytes_max).collect()).await {
        Err(_) => Err(Refusal::new(Kind::Timeout, "the body did not arrive in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Ok(Err(_)) => Err(Refusal::new(Kind::Malformed, "the body ended early")),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

fn too_large(bytes_max: usize) -> Refusal {
    Refusal::new(Kind::TooLarge, format!("the body is larger than {bytes_max} bytes"))
}

/// Enough for a full body over a poor line; a slower one only holds memory.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
