//! Many publications in one request.

use serde_json::json;

use super::fixture::{Gateway, open, post};
use crate::backplane::PublishError;

#[tokio::test]
async fn results_and_events_keep_the_order_of_the_request() {
    let gateway = Gateway::new(open());
    let reply = gateway
        .batch(
            r#"{"publications":[{"event":"e","data":1},{"event":"e","data":2,"namespace":"/admin"},
                {"event":"e","rooms":[]},{"event":"e","data":3},{"event":"e","data":4,"namespace":"/none"}]}"#,
        )
        .await;
    assert_eq!(reply.status, 200);
    let results = &reply.json()["results"];
    assert_eq!(results.as_array().unwrap().len(), 5);
    for taken in [0, 1, 3] {
        assert_eq!(results[taken]["accepted"], "accepted", "{results}");
    }
    assert_eq!((&results[2]["error"], &results[2]["path"]), (&json!("VALIDATION_ERROR"), &json!("rooms")));
    assert_eq!(results[4]["error"], "NOT_FOUND");
    assert!(results[2]["correlationId"].is_string());
    let in_root = |(namespace, publication)| (namespace == "/").then(|| super::fixture::args(&publication));
    let events: Vec<String> = gateway.backplane.seen().into_iter().filter_map(in_root).collect();
    assert_eq!(events, [r#"["e",1]"#, r#"["e",3]"#]);
}

#[tokio::test]
async fn after_a_failure_the_rest_of_that_namespace_is_not_tried() {
    let gateway = Gateway::new(open());
    gateway.backplane.fail([None, Some(PublishError::Busy)]);
    let body = r#"{"publications":[{"event":"a"},{"event":"b"},{"event":"c"}]}"#;
    let results = &gateway.batch(body).await.json()["results"];
    assert_eq!(results[0]["accepted"], "accepted");
    assert_eq!((&results[1]["error"], &results[2]["error"]), (&json!("BUSY"), &json!("UNAVAILABLE")));
    assert_eq!(gateway.backplane.events(), [r#"["a"]"#]);
}

#[tokio::test]
async fn a_conflict_does_not_stop_those_behind_it() {
    let gateway = Gateway::new(open());
    let body =
        r#"{"publications":[{"event":"a","idempotencyKey":"k"},{"event":"b","idempotencyKey":"k"},{"event":"c"}]}"#;
    let results = &gateway.batch(body).await.json()["results"];
    assert_eq!(results[1]["error"], "CONFLICT");
    assert_eq!(results[2]["accepted"], "accepted");
}

#[tokio::test]
async fn a_batch_of_the_wrong_form_or_size_is_refused_whole() {
    let gateway = Gateway::new(open());
    for body in ["[]", "{}", r#"{"publications":{}}"#, r#"{"publications":[],"more":1}"#, r#"{"publications":[}"#] {
        assert_eq!(gateway.batch(body).await.refusal(), (400, "BAD_REQUEST".to_owned()), "{body}");
    }
    let six = format!(r#"{{"publications":[{}]}}"#, [r#"{"event":"e"}"#; 6].join(","));
    let reply = gateway.batch(&six).await;
    assert_eq!(reply.refusal(), (422, "VALIDATION_ERROR".to_owned()));
    assert_eq!(reply.json()["path"], "publications");
    let keyed = post("/api/v1/publish/batch").header("idempotency-key", "k");
    assert_eq!(gateway.send(keyed, r#"{"publications":[]}"#).await.status, 422);
    assert_eq!(gateway.batch(r#"{"publications":[]}"#).await.json(), json!({ "results": [] }));
    assert!(gateway.backplane.seen().is_empty());
}

#[tokio::test]
async fn a_publication_may_nest_in_a_batch_as_deep_as_alone() {
    let gateway = Gateway::new(open());
    for (depth, taken) in [(31, true), (32, false)] {
        let text = format!(r#"{{"event":"e","data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(gateway.publish(&text).await.status == 200, taken);
        let reply = gateway.batch(&format!(r#"{{"publications":[{text}]}}"#)).await.json();
        assert_eq!(reply["results"][0]["accepted"] == "accepted", taken, "{reply}");
    }
}
