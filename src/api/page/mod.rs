//! The development page: one document without foreign parts, so that it works where there is no network.

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use sha2::{Digest as _, Sha256};

/// The page, ready to be sent.
#[derive(Clone)]
pub(super) struct Page {
    document: Bytes,
    policy: HeaderValue,
}

/// Puts the parts together. `engine_path` is where the page connects.
pub(super) fn render(engine_path: &str) -> Page {
    let script = concat!(include_str!("socket.js"), include_str!("page.js"));
    let style = include_str!("page.css");
    let document = include_str!("index.html")
        .replace("{engine_path}", &escape(engine_path))
        .replace("{style}", style)
        .replace("{script}", script);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self' ws: wss:; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        digest(style),
        digest(script),
    );
    let policy = HeaderValue::try_from(policy).expect("base64 and the words above are header text");
    Page { document: document.into(), policy }
}

impl Page {
    pub fn reply(&self) -> Response {
        let mut reply = self.document.clone().into_response();
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        reply
    }
}

fn digest(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
