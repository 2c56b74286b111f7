use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;

use super::super::testing::{free_address, serve, tls_provider};
use super::*;

/// A gateway that answers GETs from a script and keeps what was posted.
struct Gateway {
    url: String,
    posted: Arc<Mutex<Vec<String>>>,
}

const OPEN: &str = r#"0{"sid":"s_1","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;

async fn gateway(script: &[(u16, &str)]) -> Gateway {
    let script: VecDeque<(u16, String)> = script.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
    let script = Arc::new(Mutex::new(script));
    let posted = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&posted);
    let poll = async move |RawQuery(query): RawQuery| {
        let next = script.lock().unwrap().pop_front();
        let (status, body) = next.unwrap_or_else(|| (400, r#"{"code":1,"message":"Session ID unknown"}"#.into()));
        let opens = !query.unwrap_or_default().contains("sid=s_1");
        assert_eq!(body.starts_with('0') || status == 503, opens, "polls name their session");
        (StatusCode::from_u16(status).unwrap(), body).into_response()
    };
    let post = async move |body: String| {
        keep.lock().unwrap().push(body);
        "ok"
    };
    let address = serve(Router::new().route("/socket.io/", get(poll).post(post))).await;
    Gateway { url: format!("http://{address}"), posted }
}

fn args(url: &str) -> Tail {
    Tail { url: url.into(), namespace: "/".into(), room: None, token: None }
}

/// Follows until as many events were printed as wanted.
async fn followed(args: &Tail, wanted: usize) -> (Result<(), Failure>, Vec<String>) {
    let mut lines = Vec::new();
    let print = |event: &line::Event<'_>| {
        let line = line::line(0, event);
        lines.push(line.strip_prefix("1970-01-01T00:00:00.000Z ").unwrap().to_owned());
        lines.len() < wanted
    };
    let outcome = follow(args, print, |_| Duration::ZERO).await;
    (outcome, lines)
}

#[tokio::test]
async fn events_are_printed_with_their_ids_and_pings_answered() {
    let payload =
        "2\u{1e}42[\"news\",{\"a\":1},\"e1.5-7\"]\u{1e}451-[\"file\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAAEC";
    let gateway = gateway(&[(200, OPEN), (200, r#"40{"sid":"x","pid":"y"}"#), (200, payload)]).await;
    let (outcome, lines) = followed(&args(&gateway.url), 2).await;
    assert_eq!(outcome, Ok(()));
    assert_eq!(lines, [r#"5-7 news {"a":1}"#, r#"- file {"_placeholder":true,"num":0} #0:3B"#]);
    assert_eq!(*gateway.posted.lock().unwrap(), ["40", "3"]);
}

#[tokio::test]
async fn the_token_and_the_room_go_where_a_client_puts_them() {
    let script = [
        (200, OPEN),
        (200, r#"40/orders,{"sid":"x"}"#),
        (200, r#"43/orders,0[{"ok":true}]"#),
        (200, r#"42/orders,["e"]"#),
    ];
    let gateway = gateway(&script).await;
    let args =
        Tail { namespace: "/orders".into(), room: Some("o:7".into()), token: Some("t".into()), ..args(&gateway.url) };
    assert_eq!(followed(&args, 1).await.1, ["- e"]);
    let posted = gateway.posted.lock().unwrap();
    assert_eq!(*posted, [r#"40/orders,{"token":"t"}"#, r#"42/orders,0["join",{"room":"o:7"}]"#]);
}

#[tokio::test]
async fn a_lost_session_is_followed_by_another() {
    let script = [
        (503, ""),
        (200, OPEN),
        (200, r#"40{"sid":"x"}"#),
        (200, r#"42["one"]"#),
        (200, "1"),
        (200, OPEN),
        (200, r#"40{"sid":"z"}"#),
        (400, r#"{"code":1,"message":"Session ID unknown"}"#),
        (200, OPEN),
        (200, r#"40{"sid":"w"}"#),
        (200, r#"42["two"]"#),
    ];
    let gateway = gateway(&script).await;
    assert_eq!(followed(&args(&gateway.url), 2).await.1, ["- one", "- two"]);
}

#[tokio::test]
async fn refusals_end_it_with_cause_and_cure() {
    let refused = r#"44{"message":"Authentication required","data":{"code":"AUTH_REQUIRED","correlationId":"c"}}"#;
    let no_token = gateway(&[(200, OPEN), (200, refused)]).await;
    let failure = followed(&args(&no_token.url), 1).await.0.unwrap_err();
    assert!(failure.what.contains("Authentication required") && failure.cure.contains("--token"), "{failure}");

    let forbidden = r#"430[{"ok":false,"error":"FORBIDDEN","message":"not allowed","correlationId":"c"}]"#;
    let no_right = gateway(&[(200, OPEN), (200, r#"40{"sid":"x"}"#), (200, forbidden)]).await;
    let args = Tail { room: Some("kitchen".into()), ..args(&no_right.url) };
    let failure = followed(&args, 1).await.0.unwrap_err();
    assert!(failure.what.contains("FORBIDDEN: not allowed") && failure.cure.contains("join"), "{failure}");
}

#[tokio::test]
async fn a_gateway_that_does_not_run_is_told_at_once() {
    tls_provider();
    let failure = followed(&args(&format!("http://{}", free_address())), 1).await.0.unwrap_err();
    assert!(failure.what.contains("refused"), "{failure}");
    let other = serve(Router::new()).await;
    let failure = followed(&args(&format!("http://{other}")), 1).await.0.unwrap_err();
    assert!(failure.what.contains("no Socket.IO"), "{failure}");
}

#[test]
fn pauses_grow_to_half_a_minute() {
    for (failed, longest_ms) in [(0, 500), (1, 1_000), (3, 4_000), (10, 30_000), (u32::MAX, 30_000)] {
        let pause_ms = u64::try_from(pause(failed).as_millis()).unwrap();
        assert!((longest_ms / 2..=longest_ms).contains(&pause_ms), "{failed}: {pause_ms}");
    }
}
