//! Documents that must stay in step with the code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fanfare::auth;
use fanfare::closing::Closing;
use fanfare::meters::{Kind, METRICS};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const METRICS_INTRODUCTION: &str = "# Metrics

<!-- Written from the table of metrics in src/meters.rs by a test: UPDATE_DOCS=1 cargo test --test documents -->

`/metrics` on the admin port, in the text format of Prometheus. Labels have few values, all known beforehand: never a user, a room or a
socket. Times are in seconds. A metric appears with its first event; a gauge or counter without labels is there from the start.

| metric | kind | meaning |
|---|---|---|
";

fn metrics_document() -> String {
    let mut text = METRICS_INTRODUCTION.to_owned();
    for (name, kind, _, help) in METRICS {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        writeln!(text, "| `{name}` | {kind} | {help} |").unwrap();
    }
    text
}

#[test]
fn the_document_of_metrics_is_the_table() {
    let name = "docs/metrics.md";
    #[expect(clippy::disallowed_methods, reason = "a question of the developer, not of the configuration")]
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    if update {
        std::fs::write(path(name), metrics_document()).unwrap();
    }
    assert!(read(name) == metrics_document(), "{name} is old: run this test with UPDATE_DOCS=1");
}

#[test]
fn every_metric_that_is_recorded_is_in_the_table_and_every_entry_is_recorded() {
    let mut recorded = BTreeSet::new();
    let mut folders = vec![path("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                recorded.extend(metrics_named_in(&text));
            }
        }
    }
    let listed: BTreeSet<String> = METRICS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), METRICS.len(), "a metric stands twice");
    assert_eq!(recorded, listed);
}

/// Every literal of a source file that is a metric's name; not those of the table, nor of tests, which record what they like.
fn metrics_named_in(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let (before, table) = code.split_once("pub const METRICS").unwrap_or((code, ""));
    let behind = table.split_once("\n];").map_or("", |(_, behind)| behind);
    let is_name = |word: &&str| {
        word.strip_prefix("fanfare_")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    };
    before.split('"').chain(behind.split('"')).filter(is_name).map(str::to_owned).collect()
}

#[test]
fn names_of_metrics_follow_the_rules() {
    for (name, kind, _, help) in METRICS {
        assert!(name.starts_with("fanfare_"), "{name}");
        assert_eq!(
            matches!(kind, Kind::Counter),
            name.ends_with("_total"),
            "{name}: counters end in _total, others do not"
        );
        assert!(!help.ends_with('.') && help.len() > 10, "{name} needs a sentence without its full stop");
    }
}

#[test]
fn the_document_of_errors_has_every_code() {
    let document = read("docs/errors.md");
    let mut codes: BTreeSet<&str> = auth::Refusal::ALL.iter().map(|refusal| refusal.code().as_str()).collect();
    codes.extend(auth::Refusal::ALL.iter().map(|refusal| refusal.class()));
    codes.extend(CLOSINGS.map(Closing::name));
    codes.extend(quoted_constants("src/contract/refusal.rs"));
    for code in codes {
        assert!(document.contains(&format!("`{code}`")), "docs/errors.md does not mention {code}");
    }
}

/// Every quoted word of capitals in a source file: its codes.
fn quoted_constants(name: &str) -> BTreeSet<&'static str> {
    let text: &'static str = Box::leak(read(name).into_boxed_str());
    let is_code = |word: &&str| word.len() > 4 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let codes: BTreeSet<&str> = text.split('"').filter(is_code).collect();
    assert!(!codes.is_empty(), "{name} has no codes");
    codes
}

const CLOSINGS: [Closing; 12] = [
    Closing::TransportClose,
    Closing::TransportError,
    Closing::PingTimeout,
    Closing::ParseError,
    Closing::ConnectTimeout,
    Closing::SlowConsumer,
    Closing::ServerDisconnect,
    Closing::Drain,
    Closing::Unavailable,
    Closing::TooLarge,
    Closing::InvalidText,
    Closing::ProtocolViolation,
];
