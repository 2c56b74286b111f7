//! `fanfare publish`: one event to a room, through a gateway or through Redis.

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::build::redis_options;
use super::cli::Publish;
use super::terminal::{Failure, conclude, one_line};
use crate::config::{Flags, publish_key, read_process};
use crate::event::Partition;
use crate::flows::random;
use crate::ids::{Namespace, NodeId, Room};
use crate::redis::{self, OutsideError};
use crate::upstream::{Answer, Client, RequestError};

/// Prints the id of the publication, or with `--redis` that of the inbox entry, which the nodes take in when they see it.
pub async fn run(args: Publish) -> ExitCode {
    conclude(publish(args).await)
}

async fn publish(args: Publish) -> Result<String, Failure> {
    let data: &RawValue = serde_json::from_str(&args.json).map_err(|error| {
        Failure::usage(format!("the argument is not JSON ({error})"), r#"a text needs its own quotes: '"hello"'"#)
    })?;
    let namespace = Namespace::new(&args.namespace);
    let namespace = namespace.map_err(|error| Failure::usage(format!("--namespace is no namespace: {error}"), ""))?;
    Room::new(&args.room).map_err(|error| Failure::usage(format!("--room is no room: {error}"), ""))?;
    match &args.redis {
        Some(url) => through_redis(&args, url, namespace).await,
        None => through_gateway(&args, data).await,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    namespace: &'a str,
    rooms: [&'a str; 1],
    event: &'a str,
    data: &'a RawValue,
}

async fn through_gateway(args: &Publish, data: &RawValue) -> Result<String, Failure> {
    let gateway = args.url.as_deref().unwrap_or(DEFAULT_URL).trim_end_matches('/');
    let url = format!("{gateway}/api/v1/publish");
    let client = Client::new(&url).map_err(|error| Failure::new(error.to_string(), ""))?;
    let body = Body { namespace: &args.namespace, rooms: [&args.room], event: &args.event, data };
    let body = serde_json::to_string(&body).map_err(|error| Failure::new(error.to_string(), ""))?;
    let from_environment = publish_key();
    let key = args.key.as_deref().or(from_environment.as_ref().map(crate::auth::Secret::expose));
    match client.post(&url, "application/json", key, body, DEADLINE).await {
        Ok(answer) => judge(gateway, &answer),
        Err(error) => Err(unreachable(gateway, error)),
    }
}

/// Why a gateway gave no answer, for every command that speaks to one.
pub(super) fn unreachable(gateway: &str, error: RequestError) -> Failure {
    let gateway = one_line(gateway);
    let cure = match error {
        RequestError::Url => {
            return Failure::usage(format!("{gateway} is no URL"), "write it as http://host:port or https://host");
        }
        RequestError::Refused => "is the gateway running there? Start one with `fanfare`, or name another with --url",
        RequestError::Name => "check the host name in --url",
        RequestError::Tls => "check that the port speaks TLS and that this machine trusts its certificate",
        RequestError::Timeout | RequestError::Connection => "check the address, and what stands between here and there",
        RequestError::TooLarge | RequestError::NoText => "is this a gateway at all? Check --url",
    };
    Failure::new(format!("{gateway} cannot be reached: {error}"), cure)
}

/// What of the answer matters here; everything else may change.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    id: Option<String>,
    message: Option<String>,
    /// The field that is wrong.
    path: Option<String>,
    correlation_id: Option<String>,
}

fn judge(gateway: &str, answer: &Answer) -> Result<String, Failure> {
    let told: Told = serde_json::from_str(&answer.body).unwrap_or_default();
    if (200..300).contains(&answer.status) {
        // A volatile publication has no id; the whole answer says so.
        return Ok(told.id.map_or_else(|| one_line(&answer.body), |id| one_line(&id)));
    }
    let mut said = told.message.unwrap_or_else(|| answer.body.chars().take(SAID_CHARS_MAX).collect());
    if let Some(path) = told.path {
        said = format!("{path}: {said}");
    }
    if let Some(correlation_id) = told.correlation_id {
        said = format!("{said} (correlation id {correlation_id})");
    }
    let said = one_line(&said);
    let cure = match answer.status {
        400 | 422 => "correct what the message names",
        401 => "give a key of publish.keys with --key or FANFARE_KEY",
        403 => "use a key that may publish there: publish.keys in the gateway's configuration",
        404 => "check --namespace, and that --url is the address clients connect to",
        413 => "send less, or raise engine.max_payload_bytes",
        429 => "wait a moment, or raise publish.rate_per_s",
        503 => "wait a moment and try again; `fanfare doctor` tells what is wrong with Redis",
        _ => "",
    };
    Err(Failure::new(format!("{gateway} refused with HTTP status {}: {said}", answer.status), cure))
}

/// Key prefix, tenant and credentials come from environment and file, as they do for the gateway.
async fn through_redis(args: &Publish, url: &str, namespace: Namespace) -> Result<String, Failure> {
    let flags = Flags { redis: Some(url.to_owned()), ..Flags::default() };
    let settings = read_process(flags).map_err(|faults| Failure::faults(&faults))?;
    let Some(options) = redis_options(&settings, NodeId::from_random(random())) else {
        return Err(Failure::usage("there is no Redis URL", "give one with --redis"));
    };
    let partition = Partition::new(settings.tenant.clone(), namespace);
    let fields = [("event", args.event.as_str()), ("data", args.json.as_str()), ("room", args.room.as_str())];
    redis::append_to_inbox(&options, &partition, &fields).await.map_err(|error| match error {
        OutsideError::Connect(_) => Failure::new(error.to_string(), "`fanfare doctor --redis URL` looks closer"),
        OutsideError::Unavailable(cause) => Failure::new(format!("Redis did not take the event: {cause}"), "try again"),
    })
}

const DEFAULT_URL: &str = "http://127.0.0.1:3001";
const DEADLINE: Duration = Duration::from_secs(10);
/// Of a body that is no answer of ours; enough to recognize a proxy's page.
const SAID_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use clap::Parser as _;

    use super::super::cli::{Cli, Command};
    use super::super::testing::{free_address, serve, tls_provider};
    use super::*;

    fn typed(words: &[&str]) -> Publish {
        let words = ["fanfare", "publish", "--room", "kitchen"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().chosen() {
            Command::Publish(publish) => publish,
            _ => panic!("no publication"),
        }
    }

    async fn answered(status: u16, body: &'static str) -> Result<String, Failure> {
        let status = StatusCode::from_u16(status).unwrap();
        let address = serve(Router::new().route("/api/v1/publish", post(async move || (status, body)))).await;
        publish(typed(&["--url", &format!("http://{address}/"), "news", "1"])).await
    }

    #[tokio::test]
    async fn what_was_typed_is_what_the_gateway_gets() {
        let echo = async |headers: HeaderMap, body: String| {
            format!("{} {body}", headers["authorization"].to_str().unwrap_or_default())
        };
        let address = serve(Router::new().route("/api/v1/publish", post(echo))).await;
        let url = format!("http://{address}");
        let args =
            typed(&["--url", &url, "--key", "k1", "--namespace", "/a", "news", "{\"n\": 12345678901234567890123}"]);
        assert_eq!(
            publish(args).await.unwrap(),
            r#"Bearer k1 {"namespace":"/a","rooms":["kitchen"],"event":"news","data":{"n": 12345678901234567890123}}"#
        );
    }

    #[tokio::test]
    async fn the_id_is_the_result() {
        assert_eq!(answered(200, r#"{"ok":true,"id":"1-2","duplicate":false}"#).await, Ok("1-2".into()));
        assert_eq!(answered(200, r#"{"ok":true}"#).await, Ok(r#"{"ok":true}"#.into()));
    }

    #[tokio::test]
    async fn refusals_name_cause_and_cure() {
        for (status, cure) in [(401, "FANFARE_KEY"), (403, "publish.keys"), (413, "max_payload"), (503, "try again")] {
            let failure = answered(
                status,
                r#"{"error":"X","message":"because\nof this","path":"rooms[0]","correlationId":"c-1"}"#,
            )
            .await
            .unwrap_err();
            assert_eq!(failure.exit, 1);
            assert!(
                failure.what.ends_with("rooms[0]: because of this (correlation id c-1)") && failure.cure.contains(cure),
                "{failure}"
            );
        }
        assert!(answered(502, "<html>Bad Gateway").await.unwrap_err().what.contains("Bad Gateway"));
    }

    #[tokio::test]
    async fn a_gateway_that_does_not_run_is_told_as_such() {
        tls_provider();
        let url = format!("http://{}", free_address());
        let failure = publish(typed(&["--url", &url, "news", "1"])).await.unwrap_err();
        assert!(failure.what.contains("refused") && failure.cure.contains("running"), "{failure}");
        let failure = publish(typed(&["--url", "gateway", "news", "1"])).await.unwrap_err();
        assert_eq!(failure.exit, 64);
    }

    #[tokio::test]
    async fn what_cannot_be_right_is_not_sent() {
        for words in [&["news", "hello"][..], &["--namespace", "a", "news", "1"]] {
            assert_eq!(publish(typed(words)).await.unwrap_err().exit, 64, "{words:?}");
        }
        assert!(publish(typed(&["news", "hello"])).await.unwrap_err().cure.contains("quotes"));
    }
}
