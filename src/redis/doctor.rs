//! What `fanfare doctor` looks at in Redis, and the cure for what it finds.

use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike as _;
use fred::types::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Connector;
use super::counters::Counters;
use super::keys::Keys;
use super::library::{LIBRARY, Library, command, options};
use super::options::{ConnectError, Options};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    pub what: String,
    /// What to do about it; empty if nothing.
    pub cure: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Ok,
    /// It works, but less well or less safely than it could.
    Warning,
    /// The gateway cannot work like this.
    Fault,
}

/// Looks at everything that can be seen with the rights given. Writes nothing but the function library.
pub async fn examine(settings: &Options) -> Vec<Finding> {
    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    let findings = match open(settings, &tracker, &stop).await {
        Ok(client) => look_at(settings, &client).await,
        Err(error) => vec![fault(
            error.to_string(),
            "Check address, scheme (redis, redis-sentinel, redis-cluster; rediss for TLS), user and password.",
        )],
    };
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    findings
}

async fn open(settings: &Options, tracker: &TaskTracker, stop: &CancellationToken) -> Result<Client, ConnectError> {
    Keys::new(&settings.key_prefix).ok_or(ConnectError::KeyPrefix)?;
    Connector::new(settings, tracker.clone(), stop.clone())?.open(32).await
}

async fn look_at(settings: &Options, client: &Client) -> Vec<Finding> {
    let mut findings = Vec::new();
    match ask(client, "INFO", &[]).await.map(|answer| answer.as_string().unwrap_or_default()) {
        Ok(info) => {
            findings.push(version(&info));
            findings.extend(mode(&info, client.is_clustered()));
            findings.push(eviction(&info));
        }
        Err(error) => findings.push(fault(
            format!("INFO is refused: {}", error.details()),
            "Allow it: ACL SETUSER <user> +info. The publish function names its lineage from it.",
        )),
    }
    findings.push(functions(client).await);
    findings.extend(rights(settings, client).await);
    findings.push(output_buffer(client).await);
    findings
}

fn version(info: &str) -> Finding {
    let (name, text) = match (field(info, "valkey_version"), field(info, "redis_version")) {
        (Some(valkey), _) => ("Valkey", valkey),
        (None, Some(redis)) => ("Redis", redis),
        (None, None) => return fault("the server does not tell its version", "Use Redis 7 or later, or Valkey."),
    };
    let major: u32 = text.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
    if major >= 7 {
        ok(format!("{name} {text}"))
    } else {
        fault(
            format!("{name} {text} is too old"),
            "Use Redis 7 or later, or Valkey: functions and sharded channels are missing.",
        )
    }
}

fn mode(info: &str, as_cluster: bool) -> Option<Finding> {
    let is_cluster = field(info, "cluster_enabled") == Some("1");
    match (is_cluster, as_cluster) {
        (true, false) => Some(fault("the server is a Cluster node", "Write the URL as redis-cluster://…")),
        (false, true) => Some(fault("the server is no Cluster node", "Write the URL as redis://…")),
        (true, true) | (false, false) => match field(info, "role") {
            Some("slave") => Some(fault("the server is a read-only replica", "Use the primary, or redis-sentinel://…")),
            _ => None,
        },
    }
}

fn eviction(info: &str) -> Finding {
    match field(info, "maxmemory_policy") {
        Some("noeviction") => ok("maxmemory-policy is noeviction"),
        Some(policy) => warning(
            format!("maxmemory-policy is {policy}"),
            "CONFIG SET maxmemory-policy noeviction: otherwise Redis drops history and sessions when memory is short.",
        ),
        None => warning("maxmemory-policy is not known", "Make sure that it is noeviction."),
    }
}

async fn functions(client: &Client) -> Finding {
    match Library::load(client.clone(), std::sync::Arc::new(Counters::default())).await {
        Ok(library) if library.runs_as_scripts() => warning(
            "functions cannot be loaded; the same code runs as scripts, a little slower",
            "ACL SETUSER <user> +function|load +fcall",
        ),
        Ok(_) => ok(format!("the function library {LIBRARY} is loaded")),
        Err(error) => fault(error.to_string(), "ACL SETUSER <user> +function|load +fcall (or +evalsha +eval)"),
    }
}

async fn rights(settings: &Options, client: &Client) -> Vec<Finding> {
    let user = match ask(client, "ACL", &["WHOAMI"]).await {
        Ok(user) => user.as_string().unwrap_or_default(),
        Err(error) => return vec![rights_unknown(&error)],
    };
    let (key, channel) =
        (format!("{}{{t/}}:x", settings.key_prefix), format!("{}{{t/}}:channel:x", settings.key_prefix));
    let mut findings = Vec::new();
    for needed in NEEDED {
        let needed = needed.replace("KEY", &key).replace("CHANNEL", &channel);
        let words: Vec<&str> = needed.split(' ').collect();
        if SHARDED.contains(&words[0]) && !client.is_clustered() {
            continue;
        }
        let args: Vec<&str> = ["DRYRUN", &user].into_iter().chain(words.iter().copied()).collect();
        match ask(client, "ACL", &args).await.map(|answer| answer.as_string().unwrap_or_default()) {
            Ok(answer) if answer == "OK" => {}
            Ok(answer) => findings.push(fault(
                format!("the user {user} may not do {needed}: {answer}"),
                &format!("ACL SETUSER {user} ~{prefix}* &{prefix}* +{}", words[0], prefix = settings.key_prefix),
            )),
            Err(error) => {
                findings.push(rights_unknown(&error));
                return findings;
            }
        }
    }
    if findings.is_empty() {
        findings.push(ok(format!("the user {user} has every right that is needed")));
    }
    findings
}

fn rights_unknown(error: &Error) -> Finding {
    warning(
        format!("the rights cannot be checked: {}", error.details()),
        "ACL SETUSER <user> +acl|whoami +acl|dryrun lets the doctor look; the gateway itself does not need it.",
    )
}

/// A subscriber that Redis cuts off for a burst heals, but the burst costs a backfill.
async fn output_buffer(client: &Client) -> Finding {
    let Ok(answer) = ask(client, "CONFIG", &["GET", "client-output-buffer-limit"]).await else {
        return warning(
            "client-output-buffer-limit cannot be read",
            "Make sure that its pubsub limits are 32mb 8mb 60 or higher (ACL SETUSER <user> +config|get lets the doctor look).",
        );
    };
    let text: Vec<String> = flat(answer);
    let words: Vec<&str> = text.iter().flat_map(|text| text.split(' ')).collect();
    let at = words.iter().position(|word| *word == "pubsub").map_or(words.len(), |at| at + 1);
    let limit = |offset: usize| words.get(at + offset).and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
    let low = |limit: u64, least: u64| limit != 0 && limit < least;
    if low(limit(0), 32 << 20) || low(limit(1), 8 << 20) {
        return warning(
            format!("subscribers are cut off at {} bytes, or {} for a while", limit(0), limit(1)),
            "CONFIG SET client-output-buffer-limit \"pubsub 33554432 8388608 60\" or higher",
        );
    }
    ok("the output buffer of subscribers is large enough")
}

fn flat(value: Value) -> Vec<String> {
    match value {
        Value::Map(map) => map.inner().into_values().filter_map(Value::into_string).collect(),
        other => other.into_array().into_iter().filter_map(Value::into_string).collect(),
    }
}

async fn ask(client: &Client, verb: &'static str, args: &[&str]) -> Result<Value, Error> {
    let client = client.with_options(&options(Duration::from_secs(2)));
    client.custom(command(verb, fred::util::redis_keyslot(client.id().as_bytes())), args.to_vec()).await
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn ok(what: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Ok, what: what.into(), cure: String::new() }
}

fn warning(what: impl Into<String>, cure: &str) -> Finding {
    Finding { verdict: Verdict::Warning, what: what.into(), cure: cure.to_owned() }
}

fn fault(what: impl Into<String>, cure: &str) -> Finding {
    Finding { verdict: Verdict::Fault, what: what.into(), cure: cure.to_owned() }
}

/// One harmless example of each command that the gateway gives, as ACL DRYRUN wants it.
const NEEDED: &[&str] = &[
    "ping",
    "time",
    "get KEY",
    "set KEY 1",
    "mget KEY",
    "setrange KEY 0 1",
    "del KEY",
    "hget KEY e",
    "hset KEY e 1",
    "hmget KEY e",
    "hgetall KEY",
    "hincrby KEY g 1",
    "hdel KEY e",
    "pexpire KEY 1",
    "zadd KEY 1 e",
    "zscore KEY e",
    "zrangebyscore KEY 1 2",
    "zremrangebyscore KEY 1 2",
    "xadd KEY * e 1",
    "xtrim KEY MINID 1",
    "xrange KEY - +",
    "xrevrange KEY + -",
    "xpending KEY fanfare",
    "xack KEY fanfare 1",
    "xdel KEY 1",
    "xreadgroup GROUP fanfare leader STREAMS KEY >",
    "xgroup CREATE KEY fanfare 0",
    "zadd KEY 1 e",
    "zrem KEY e",
    "zrange KEY 0 1",
    "publish CHANNEL 1",
    "spublish CHANNEL 1",
    "subscribe CHANNEL",
    "ssubscribe CHANNEL",
    "unsubscribe CHANNEL",
    "sunsubscribe CHANNEL",
    "wait 0 1",
];

/// Needed in a Cluster only.
const SHARDED: &[&str] = &["spublish", "ssubscribe", "sunsubscribe"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_seven_are_refused() {
        assert_eq!(version("redis_version:7.0.15\r\n").verdict, Verdict::Ok);
        assert_eq!(version("redis_version:6.2.1\r\n").verdict, Verdict::Fault);
        assert_eq!(version("redis_version:7.2.4\r\nvalkey_version:8.1.2\r\n").what, "Valkey 8.1.2");
    }

    #[test]
    fn a_url_that_does_not_fit_the_server_is_a_fault() {
        assert!(mode("cluster_enabled:0\r\nrole:master", false).is_none());
        assert_eq!(mode("cluster_enabled:1", false).unwrap().verdict, Verdict::Fault);
        assert_eq!(mode("cluster_enabled:0\r\nrole:slave", false).unwrap().verdict, Verdict::Fault);
    }
}
