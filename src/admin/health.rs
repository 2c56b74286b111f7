//! Whether traffic is wanted here, and if not, why.

use serde_json::{Value, json};

use super::readiness::{Readiness, Stage};
use crate::backplane::Backplane;

/// One thing that keeps a process from being ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub what: &'static str,
    pub why: String,
}

/// What stands in the way; empty when the process is ready.
///
/// The backplane has to be proven once. Later it counts only when asked for (`deep`): a node whose Redis is away still holds its
/// sockets, and taking all nodes out of the balancer at once helps nobody.
pub(super) fn obstacles(readiness: &Readiness, backplane: &dyn Backplane, deep: bool) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    match readiness.stage() {
        Stage::Starting => obstacles.push(Obstacle { what: "start", why: "the process is starting".into() }),
        Stage::Draining => obstacles.push(Obstacle { what: "drain", why: "the process is going away".into() }),
        Stage::Ready => {}
    }
    if deep || !readiness.is_proven() {
        match backplane.proven() {
            Ok(()) => readiness.prove(),
            Err(cause) => obstacles.push(Obstacle { what: "backplane", why: cause.to_string() }),
        }
    }
    obstacles
}

/// The body of the answer.
pub(super) fn body(obstacles: &[Obstacle]) -> Value {
    if obstacles.is_empty() {
        return json!({ "ready": true });
    }
    let reasons: Vec<Value> =
        obstacles.iter().map(|obstacle| json!({ "what": obstacle.what, "why": obstacle.why })).collect();
    json!({ "ready": false, "reasons": reasons })
}
