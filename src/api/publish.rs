//! `POST /api/v1/publish` and `/api/v1/publish/batch`.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, Request, StatusCode};
use serde::Serialize;

use super::publisher::Publisher;
use super::refusal::{Kind, Refusal, json};
use super::request::{Asked, Hints, members_of, text_of};
use super::{Gate, body};
use crate::backplane::{Durability, Idempotency, Receipt};
use crate::event::json::digest;
use crate::flows::publish::{Publish, publish};
use crate::ids::Namespace;

/// What an accepted publication is answered.
#[derive(Debug, Serialize)]
struct Accepted {
    /// `None` for what has no place in the log: volatile and local publications.
    id: Option<String>,
    epoch: Option<String>,
    duplicate: bool,
    /// What holds: `accepted`, or `replicated:n`.
    #[serde(rename = "accepted")]
    holds: String,
}

pub(super) async fn one(State(gate): State<Arc<Gate>>, request: Request<Body>) -> Response {
    let read = async {
        let hints = hints(request.headers())?;
        let (publisher, body) = receive(&gate, request).await?;
        gate.charge(&publisher, 1);
        let asked = Asked::read(text_of(&body, 0)?, hints, gate.services.clock.wall_ms())?;
        gate.admit(&publisher, asked)
    };
    match read.await {
        Ok(asked) => match gate.publish(asked).await {
            Ok(accepted) => json(StatusCode::OK, &accepted),
            Err(refusal) => refusal.into_response(),
        },
        Err(refusal) => gate.refuse(refusal).into_response(),
    }
}

/// Answers 200 with a result for each publication, unless the request as a whole cannot be served.
pub(super) async fn batch(State(gate): State<Arc<Gate>>, request: Request<Body>) -> Response {
    let served = async {
        let Hints { idempotency_key, traceparent } = hints(request.headers())?;
        if idempotency_key.is_some() {
            let message = "one key cannot stand for many publications; give each its own idempotencyKey";
            return Err(Refusal::invalid("Idempotency-Key", message));
        }
        let (publisher, body) = receive(&gate, request).await?;
        // The list and the object around it are the two levels more.
        let members = members_of(text_of(&body, 2)?, gate.options.batch)?;
        gate.charge(&publisher, members.len());
        let now_ms = gate.services.clock.wall_ms();
        let read = members.into_iter().map(|member| {
            let hints = Hints { idempotency_key: None, traceparent: traceparent.clone() };
            gate.admit(&publisher, Asked::read(member.get(), hints, now_ms)?)
        });
        Ok(gate.publish_all(read.collect()).await)
    };
    match served.await {
        Ok(results) => json(StatusCode::OK, &Results { results }),
        Err(refusal) => gate.refuse(refusal).into_response(),
    }
}

#[derive(Serialize)]
struct Results {
    results: Vec<Outcome>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Accepted(Accepted),
    Refused(Refusal),
}

/// Who asks is settled before the body is read, so that strangers cost no memory.
async fn receive(gate: &Gate, request: Request<Body>) -> Result<(Publisher<'_>, Bytes), Refusal> {
    let (head, body) = request.into_parts();
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let publisher = Publisher::identify(gate, peer, &head.uri, &head.headers).await?;
    let admitted = gate.rates().admit(&publisher.name(), gate.services.clock.now_ms());
    admitted.map_err(|seconds| {
        let refusal = Refusal::new(Kind::RateLimited, "more publications than this publisher may make each second");
        refusal.retry_after(seconds)
    })?;
    let body = body::read(&head.headers, body, gate.options.body_bytes).await?;
    Ok((publisher, body))
}

fn hints(headers: &HeaderMap) -> Result<Hints, Refusal> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().map(str::to_owned)).transpose();
    let key = text("idempotency-key").map_err(|_| Refusal::invalid("Idempotency-Key", "this is not plain text"))?;
    // Some clients write it as a quoted string, the form of structured fields (RFC 9651).
    let key = key.map(|key| match key.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.to_owned(),
        None => key,
    });
    Ok(Hints { idempotency_key: key, traceparent: text("traceparent").ok().flatten() })
}

impl Gate {
    fn rates(&self) -> std::sync::MutexGuard<'_, super::Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn charge(&self, publisher: &Publisher<'_>, publications: usize) {
        self.rates().charge(&publisher.name(), publications, self.services.clock.now_ms());
    }

    /// The right comes before existence, so that a key cannot find out what other namespaces there are.
    fn admit(&self, publisher: &Publisher<'_>, asked: Asked) -> Result<Asked, Refusal> {
        publisher.check(&asked.namespace)?;
        if self.services.namespaces.find(asked.namespace.as_str()).is_none() {
            return Err(Refusal::new(Kind::NotFound, "there is no such namespace").at("namespace"));
        }
        Ok(asked)
    }

    async fn publish(&self, asked: Asked) -> Result<Accepted, Refusal> {
        let Asked { namespace, publication, idempotency_key, durability, local } = asked;
        let idempotency =
            idempotency_key.map(|key| Idempotency { key, digest: digest(&publication), lifetime_ms: None });
        let partition = self.services.partition(&namespace);
        let asked = Publish { idempotency, durability, local, ..Publish::new(partition, publication, WAY) };
        let receipt = publish(&self.services, asked).await?;
        Ok(Accepted::of(&receipt, durability))
    }

    /// Publications to one namespace one after the other, those to different namespaces at the same time.
    async fn publish_all(&self, read: Vec<Result<Asked, Refusal>>) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(read.len());
        let mut orders: Vec<(Namespace, Vec<(usize, Asked)>)> = Vec::new();
        for (index, read) in read.into_iter().enumerate() {
            outcomes.push(None);
            match read {
                Err(refusal) => outcomes[index] = Some(Outcome::Refused(self.refuse(refusal))),
                Ok(asked) => match orders.iter_mut().find(|(namespace, _)| *namespace == asked.namespace) {
                    Some((_, order)) => order.push((index, asked)),
                    None => orders.push((asked.namespace.clone(), vec![(index, asked)])),
                },
            }
        }
        let orders = orders.into_iter().map(|(_, order)| self.publish_in_order(order));
        for (index, outcome) in join_all(orders).await.into_iter().flatten() {
            outcomes[index] = Some(outcome);
        }
        outcomes.into_iter().map(|outcome| outcome.expect("each is refused above or is in exactly one order")).collect()
    }

    /// Once one was not taken for a reason that passes, those behind it are not tried: repeated, it would come after them.
    async fn publish_in_order(&self, order: Vec<(usize, Asked)>) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(order.len());
        let mut stopped = false;
        for (index, asked) in order {
            let result = if stopped {
                let message = "not tried, since one before it to the same namespace was not taken";
                Err(self.refuse(Refusal::new(Kind::Unavailable, message)))
            } else {
                self.publish(asked).await
            };
            stopped |= result.as_ref().is_err_and(|refusal| matches!(refusal.kind, Kind::Busy | Kind::Unavailable));
            outcomes.push((index, result.map_or_else(Outcome::Refused, Outcome::Accepted)));
        }
        outcomes
    }

    /// Counts what did not get as far as the flow, which counts the rest.
    fn refuse(&self, refusal: Refusal) -> Refusal {
        self.services.meters.published(WAY, refusal.kind.label());
        refusal
    }
}

impl Accepted {
    fn of(receipt: &Receipt, durability: Durability) -> Self {
        let holds = match (durability, receipt.replicas) {
            (Durability::Replicated(_), Some(replicas)) => format!("replicated:{replicas}"),
            (Durability::Accepted | Durability::Replicated(_), _) => "accepted".to_owned(),
        };
        let position = receipt.position.as_ref();
        Self {
            id: position.map(|position| position.id.to_string()),
            epoch: position.map(|position| position.epoch.as_str().to_owned()),
            duplicate: receipt.duplicate,
            holds,
        }
    }
}

/// How metrics call this way in.
const WAY: &str = "http";
