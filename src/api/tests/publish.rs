//! One publication: what is taken, and what each mistake is answered.

use serde_json::{Value, json};

use super::fixture::{Gateway, args, open, post};
use crate::backplane::{PublishError, Unavailable};
use crate::event::Id;

#[tokio::test]
async fn a_publication_is_answered_with_its_place_in_the_log() {
    let gateway = Gateway::new(open());
    let reply = gateway
        .publish(r#"{"namespace":"/admin","rooms":["a","b"],"except":["c"],"event":"e","args":[1.10,{"b":1,"a":2}]}"#)
        .await;
    let body = reply.json();
    assert_eq!(reply.status, 200, "{body}");
    assert!(body["id"].as_str().unwrap().parse::<Id>().is_ok() && body["epoch"].is_string());
    assert_eq!((&body["duplicate"], &body["accepted"]), (&json!(false), &json!("accepted")));
    let (namespace, publication) = gateway.backplane.seen().remove(0);
    assert_eq!(namespace, "/admin");
    assert_eq!(args(&publication), r#"["e",1.10,{"b":1,"a":2}]"#);
    let names = |rooms: &[crate::ids::Room]| rooms.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&publication.target.rooms), ["a", "b"]);
    assert_eq!(names(&publication.target.except), ["c"]);
}

#[tokio::test]
async fn volatile_and_local_publications_have_no_place_in_the_log() {
    let gateway = Gateway::new(open());
    let volatile = gateway.publish(r#"{"event":"typing","volatile":true}"#).await.json();
    assert_eq!((&volatile["id"], &volatile["epoch"]), (&Value::Null, &Value::Null));
    assert!(gateway.backplane.seen()[0].1.volatile);
    let local = gateway.publish(r#"{"event":"here","local":true,"data":null}"#).await.json();
    assert_eq!(local["id"], Value::Null);
    assert_eq!(gateway.backplane.seen().len(), 1);
    let delivered = gateway.delivered.0.lock().unwrap();
    assert_eq!(delivered.iter().map(args).collect::<Vec<_>>(), [r#"["here",null]"#]);
}

#[tokio::test]
async fn equal_keys_publish_once_and_answer_alike() {
    let gateway = Gateway::new(open());
    let text = r#"{"event":"paid","data":7,"idempotencyKey":"order-17"}"#;
    let first = gateway.publish(text).await.json();
    let second = gateway.publish(text).await.json();
    assert_eq!((&first["duplicate"], &second["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(first["id"], second["id"]);
    // The header is the same key, quoted or not, and a trace does not make it another publication.
    for key in ["order-17", "\"order-17\""] {
        let request = post("/api/v1/publish").header("idempotency-key", key).header("traceparent", TRACE);
        let third = gateway.send(request, r#"{"event":"paid","data":7}"#).await.json();
        assert_eq!((&third["id"], &third["duplicate"]), (&first["id"], &json!(true)));
    }
    assert_eq!(gateway.backplane.seen().len(), 1);
}

#[tokio::test]
async fn a_key_used_for_something_else_is_a_conflict() {
    let gateway = Gateway::new(open());
    gateway.publish(r#"{"event":"paid","data":7,"idempotencyKey":"k"}"#).await;
    let reply = gateway.publish(r#"{"event":"paid","data":8,"idempotencyKey":"k"}"#).await;
    assert_eq!(reply.refusal(), (409, "CONFLICT".to_owned()));
    assert_eq!(gateway.backplane.events(), [r#"["paid",7]"#]);
}

#[tokio::test]
async fn the_trace_comes_from_the_body_or_else_from_the_header() {
    let gateway = Gateway::new(open());
    let other = TRACE.replace("4bf9", "5bf9");
    let bodies = [r#"{"event":"e"}"#.to_owned(), format!(r#"{{"event":"e","traceparent":"{other}"}}"#)];
    for body in bodies {
        gateway.send(post("/api/v1/publish").header("traceparent", TRACE), body).await;
    }
    gateway.send(post("/api/v1/publish").header("traceparent", "nonsense"), r#"{"event":"e"}"#).await;
    let traces: Vec<_> = gateway.backplane.seen().into_iter().map(|(_, publication)| publication.traceparent).collect();
    assert_eq!(traces, [Some(TRACE.to_owned()), Some(other), None]);
}

#[tokio::test]
async fn what_is_not_an_object_of_json_is_a_bad_request() {
    let gateway = Gateway::new(open());
    let deep = format!(r#"{{"event":"e","data":{}}}"#, "[".repeat(4_000));
    for body in ["", "{", "null", "[]", "1", "\"e\"", r#"{"event":"e"} x"#, deep.as_str()] {
        assert_eq!(gateway.publish(body).await.refusal(), (400, "BAD_REQUEST".to_owned()), "{body}");
    }
    let reply = gateway.send(post("/api/v1/publish"), b"{\"event\":\"\xff\"}".to_vec()).await;
    assert_eq!(reply.refusal(), (400, "BAD_REQUEST".to_owned()));
}

#[tokio::test]
async fn a_value_that_cannot_be_is_named_by_its_path() {
    let gateway = Gateway::new(open());
    for (body, path) in [
        ("{}", "event"),
        (r#"{"event":""}"#, "event"),
        (r#"{"event":"disconnect"}"#, "event"),
        (r#"{"event":"e","romos":["a"]}"#, "romos"),
        (r#"{"event":"e","rooms":[]}"#, "rooms"),
        (r#"{"event":"e","rooms":["a",""]}"#, "rooms[1]"),
        (r#"{"event":"e","namespace":"admin"}"#, "namespace"),
        (r#"{"event":"e","attachments":["!"],"data":{"_placeholder":true,"num":0}}"#, "attachments[0]"),
        (r#"{"event":"e","local":1}"#, "local"),
        (r#"{"event":"e","local":true,"local":true}"#, "local"),
        (r#"{"event":"e","durability":"eternal"}"#, "durability"),
        (r#"{"event":"e","durability":{"replicated":0}}"#, "durability"),
        (r#"{"event":"e","durability":{"replicated":1},"replicas":1}"#, "durability"),
        (r#"{"event":"e","durability":{"replicated":1},"volatile":true}"#, "durability"),
        (r#"{"event":"e","local":true,"idempotencyKey":"k"}"#, "idempotencyKey"),
        (r#"{"event":"e","idempotencyKey":""}"#, "idempotencyKey"),
    ] {
        let reply = gateway.publish(body).await;
        assert_eq!(reply.refusal(), (422, "VALIDATION_ERROR".to_owned()), "{body}");
        assert_eq!(reply.json()["path"], path, "{body}");
    }
    let request = post("/api/v1/publish").header("idempotency-key", "other");
    let reply = gateway.send(request, r#"{"event":"e","idempotencyKey":"k"}"#).await;
    assert_eq!(reply.json()["path"], "idempotencyKey");
    assert!(gateway.backplane.seen().is_empty());
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_not_found() {
    let reply = Gateway::new(open()).publish(r#"{"event":"e","namespace":"/none"}"#).await;
    assert_eq!(reply.refusal(), (404, "NOT_FOUND".to_owned()));
    assert_eq!(reply.json()["path"], "namespace");
}

#[tokio::test]
async fn a_body_too_large_is_refused_whether_announced_or_not() {
    let gateway = Gateway::new(open());
    let body = format!(r#"{{"event":"e","data":"{}"}}"#, "x".repeat(4_096));
    let refused = (413, "TOO_LARGE".to_owned());
    assert_eq!(gateway.publish(&body).await.refusal(), refused);
    let announced = post("/api/v1/publish").header("content-length", "4097");
    assert_eq!(gateway.send(announced, "{}").await.refusal(), refused);
    let compressed = post("/api/v1/publish").header("content-encoding", "gzip");
    assert_eq!(gateway.send(compressed, "{}").await.refusal(), (415, "UNSUPPORTED_ENCODING".to_owned()));
}

#[tokio::test]
async fn what_the_backplane_cannot_do_now_may_be_tried_again() {
    let gateway = Gateway::new(open());
    let secret = "redis://user:password@10.0.0.1";
    gateway.backplane.fail([Some(PublishError::Busy), Some(PublishError::Unavailable(Unavailable(secret.into())))]);
    for code in ["BUSY", "UNAVAILABLE"] {
        let reply = gateway.publish(r#"{"event":"e"}"#).await;
        assert_eq!(reply.refusal(), (503, code.to_owned()));
        assert_eq!(reply.headers["retry-after"], "1");
        assert!(!reply.text.contains("password"));
    }
    let reply = gateway.publish(r#"{"event":"e","durability":{"replicated":1}}"#).await;
    assert_eq!(reply.refusal(), (503, "NOT_REPLICATED".to_owned()));
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
