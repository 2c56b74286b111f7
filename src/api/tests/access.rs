//! Who may publish where, and how often.

use axum::extract::ConnectInfo;
use http::Request;
use serde_json::json;

use super::fixture::{Gateway, SECRET, closed, open, post};
use crate::api::Options;
use crate::auth::sign_hs256;

const EVENT: &str = r#"{"event":"e"}"#;
const ADMIN: &str = r#"{"event":"e","namespace":"/admin"}"#;

fn token(issuer: &str, expires_s: u64) -> String {
    let claims = json!({ "iss": issuer, "sub": "orders", "exp": expires_s });
    sign_hs256(&SECRET.into(), claims.as_object().unwrap())
}

async fn with(gateway: &Gateway, header: &str, value: &str, body: &'static str) -> u16 {
    gateway.send(Request::post("/api/v1/publish").header(header, value), body).await.status.as_u16()
}

#[tokio::test]
async fn keys_are_taken_from_either_header() {
    let gateway = Gateway::new(closed());
    assert_eq!(with(&gateway, "x-api-key", "key-orders", EVENT).await, 200);
    assert_eq!(with(&gateway, "authorization", "Bearer key-orders", ADMIN).await, 200);
    assert_eq!(with(&gateway, "authorization", "bearer key-billing", ADMIN).await, 200);
}

#[tokio::test]
async fn a_key_reaches_its_namespaces_only_and_learns_nothing_of_others() {
    let gateway = Gateway::new(closed());
    for body in [EVENT, r#"{"event":"e","namespace":"/none"}"#] {
        let reply = gateway.send(Request::post("/api/v1/publish").header("x-api-key", "key-billing"), body).await;
        assert_eq!(reply.refusal(), (403, "FORBIDDEN".to_owned()));
    }
    assert!(gateway.backplane.seen().is_empty());
}

#[tokio::test]
async fn service_tokens_of_the_named_issuers_may_publish() {
    let gateway = Gateway::new(closed());
    let bearer = |token: String| format!("Bearer {token}");
    assert_eq!(with(&gateway, "authorization", &bearer(token("services", 99_999_999_999)), EVENT).await, 200);
    for (token, code) in [
        (token("services", 1), "AUTH_EXPIRED"),
        (token("users", 99_999_999_999), "AUTH_INVALID"),
        ("a.b.c".to_owned(), "AUTH_INVALID"),
        ("key-unknown".to_owned(), "AUTH_INVALID"),
    ] {
        let request = Request::post("/api/v1/publish").header("authorization", bearer(token.clone()));
        let reply = gateway.send(request, EVENT).await;
        assert_eq!(reply.refusal(), (401, code.to_owned()));
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        assert!(!reply.text.contains(&token));
    }
}

#[tokio::test]
async fn without_credentials_only_this_machine_may_publish_and_only_if_allowed() {
    let refused = (401, "AUTH_REQUIRED".to_owned());
    assert_eq!(Gateway::new(closed()).publish(EVENT).await.refusal(), refused);
    let gateway = Gateway::new(open());
    assert_eq!(gateway.publish(EVENT).await.status, 200);
    for (header, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let reply = gateway.send(post("/api/v1/publish").header(header, value), EVENT).await;
        assert_eq!(reply.refusal(), refused, "{header}: {value}");
    }
    let own_page = post("/api/v1/publish").header("origin", "http://localhost:3001");
    assert_eq!(gateway.send(own_page, EVENT).await.status, 200);
    let peer = |peer: &str| ConnectInfo(peer.parse::<std::net::SocketAddr>().unwrap());
    let from = |address, host| Request::post("/api/v1/publish").header("host", host).extension(peer(address));
    assert_eq!(gateway.send(from("10.0.0.7:9", "localhost"), EVENT).await.refusal(), refused);
    assert_eq!(gateway.send(from("127.0.0.1:9", "rebound.example"), EVENT).await.refusal(), refused);
    assert_eq!(gateway.send(from("[::1]:9", "[::1]:3001"), EVENT).await.status, 200);
    let nobody = Request::post("/api/v1/publish").header("host", "localhost");
    assert_eq!(gateway.send(nobody, EVENT).await.refusal(), refused);
    // A wrong key is not made good by coming from here.
    let wrong = post("/api/v1/publish").header("x-api-key", "key-unknown");
    assert_eq!(gateway.send(wrong, EVENT).await.refusal(), (401, "AUTH_INVALID".to_owned()));
}

#[tokio::test]
async fn strangers_are_refused_before_their_body_is_read() {
    let body = futures::stream::pending::<Result<bytes::Bytes, std::convert::Infallible>>();
    let request = Request::post("/api/v1/publish");
    let reply = Gateway::new(closed()).send(request, axum::body::Body::from_stream(body)).await;
    assert_eq!(reply.status, 401);
}

#[tokio::test]
async fn each_publisher_has_a_rate_of_its_own() {
    let gateway = Gateway::new(Options { rate_per_s: 1, ..closed() });
    let batch = r#"{"publications":[{"event":"e"},{"event":"e"},{"event":"e"},{"event":"e"},{"event":"e"}]}"#;
    let request = Request::post("/api/v1/publish/batch").header("x-api-key", "key-orders");
    assert_eq!(gateway.send(request, batch).await.status, 200);
    let again = Request::post("/api/v1/publish").header("x-api-key", "key-orders");
    let reply = gateway.send(again, EVENT).await;
    assert_eq!(reply.refusal(), (429, "RATE_LIMITED".to_owned()));
    assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(with(&gateway, "x-api-key", "key-billing", ADMIN).await, 200);
}
