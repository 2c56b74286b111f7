//! Which room may know which other, and which foreign crate.

use crate::tree::{File, Tree, finding};

/// Imports only go down. A room sees those on lower levels and none beside it.
const LEVELS: &[&[&str]] = &[
    &["ids", "clock", "closing", "meters", "tasks"],
    &["protocol", "event"],
    &["session", "hub", "contract", "backplane", "auth"],
    &["flows", "redis", "memory", "ingest", "upstream"],
    &["transport", "api", "admin"],
    &["config", "telemetry"],
    &["app"],
];

/// Who may see whom on the same level, and why.
const BESIDE: &[(&str, &str, &str)] = &[("meters", "closing", "the reasons to close are the labels of a counter")];

/// Levels without sockets, tasks, clock and environment.
const PURE: &[&str] = &["protocol", "event", "session", "hub", "contract", "backplane", "auth"];

/// Foreign crates and the rooms that may know them; `main` is the binary.
const CRATES: &[(&str, &[&str])] = &[
    ("anyhow", &["app", "main"]),
    ("arc_swap", &["auth"]),
    ("axum", &["transport", "api", "admin", "app"]),
    ("clap", &["app", "main"]),
    ("flate2", &["transport"]),
    ("foldhash", &["ids", "backplane"]),
    ("form_urlencoded", &["transport", "admin"]),
    ("fred", &["redis"]),
    ("getrandom", &["flows", "memory"]),
    ("hmac", &["auth"]),
    ("http", &["protocol", "transport", "api", "admin", "upstream"]),
    ("http_body_util", &["transport", "api"]),
    ("flate2", &["transport"]),
    ("hyper", &["transport"]),
    ("hyper_util", &["transport"]),
    // `protocol` writes the timestamps of msgpack as JavaScript would, `app` those of `fanfare tail`.
    ("jiff", &["protocol", "app"]),
    ("jsonwebtoken", &["auth"]),
    ("metrics", &["meters", "telemetry"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("mimalloc", &["main"]),
    ("regex", &["config", "flows"]),
    ("reqwest", &["upstream"]),
    ("rmp_serde", &["event", "redis"]),
    // One crypto provider for the process is installed in `main`.
    ("rustls", &["redis", "upstream", "main"]),
    ("serde_saphyr", &["config"]),
    ("sha1", &["event", "protocol", "redis"]),
    ("sha2", &["auth", "api"]),
    ("slotmap", &["hub", "flows", "transport"]),
    ("socket2", &["transport"]),
    ("subtle", &["auth"]),
    ("tower", &["transport"]),
    ("tracing_subscriber", &["telemetry"]),
    ("uuid", &["flows", "ingest"]),
];

/// Foreign crates that any room may know: vocabulary.
const EVERYWHERE: &[&str] =
    &["base64", "bytes", "futures", "serde", "serde_json", "smallvec", "thiserror", "tokio", "tokio_util", "tracing"];

/// What a pure room has no business with.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "tokio::net",
    "tokio::time",
    "tokio::task",
    "tokio::spawn",
    "Instant::",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
    "crate::clock",
    "crate::tasks",
];

pub fn unplaced(tree: &Tree) -> Vec<String> {
    let rooms: Vec<&str> = tree.rust("src/").map(File::room).filter(|room| !matches!(*room, "lib" | "main")).collect();
    let placed: Vec<&str> = LEVELS.iter().flat_map(|level| level.iter().copied()).collect();
    let homeless = rooms.iter().filter(|room| !placed.contains(room));
    let empty = placed.iter().filter(|room| !rooms.contains(room));
    let mut findings: Vec<String> = homeless
        .map(|room| format!("src/{room}: stands on no level; give it one in tests/tidy/rooms.rs and src/lib.rs"))
        .chain(empty.map(|room| format!("tests/tidy/rooms.rs: there is no room `{room}`; take it from the table")))
        .collect();
    findings.sort();
    findings.dedup();
    let picture = tree.files.iter().find(|file| file.path == "src/lib.rs").map_or("", |file| &file.text);
    for (level, rooms) in LEVELS.iter().enumerate() {
        let line = format!("//! {level}  {}\n", rooms.join("  "));
        if !picture.contains(&line) {
            findings.push(format!("src/lib.rs: the picture of levels lacks {line:?}; bring it in step with the table"));
        }
    }
    findings
}

pub fn upward(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.rust("src/") {
        let room = file.room();
        if matches!(room, "lib" | "main") {
            continue;
        }
        let code = tree.shipped(file);
        for (line, seen) in rooms_seen(file, &code) {
            if seen == room || may_see(room, &seen) {
                continue;
            }
            let what = format!("`{room}` imports `{seen}`, which stands on no lower level");
            findings.push(finding(file, line, &what, "move what is shared down, or hand it in from above"));
        }
    }
    findings
}

fn may_see(room: &str, seen: &str) -> bool {
    let level = |room: &str| LEVELS.iter().position(|level| level.contains(&room));
    let beside = BESIDE.iter().any(|(from, to, _)| (*from, *to) == (room, seen));
    beside || level(seen) < level(room)
}

/// Every `crate::room` and every chain of `super` that reaches the root, with its line.
fn rooms_seen(file: &File, code: &str) -> Vec<(usize, String)> {
    let mut seen = Vec::new();
    let inner = file.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let to_root = "super::".repeat(inner.split('/').count());
    for root in ["crate::", to_root.as_str()] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|before| before.is_alphanumeric() || matches!(before, '_' | ':' | '$')) {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + root.len()..];
            seen.extend(names(rest).into_iter().map(|name| (line, name)));
        }
    }
    seen
}

/// The first names of a path or of a group of paths: of `{a, b::{c, d}}` it is `a` and `b`.
fn names(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && !character.is_whitespace() => {
                names.push(word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

pub fn strays(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.rust("src/") {
        let code = tree.shipped(file);
        for (name, rooms) in CRATES {
            if rooms.contains(&file.room()) {
                continue;
            }
            for (number, line) in code.lines().enumerate() {
                if knows(line, name) {
                    let what = format!("`{name}` is not known in `{}`", file.room());
                    let cure = format!("it belongs to {}: go through what they offer", rooms.join(", "));
                    findings.push(finding(file, number + 1, &what, &cure));
                }
            }
        }
    }
    let manifest = tree.files.iter().find(|file| file.path == "Cargo.toml").map_or("", |file| &file.text);
    for name in dependencies(manifest) {
        if !EVERYWHERE.contains(&name.as_str()) && !CRATES.iter().any(|(known, _)| *known == name) {
            findings.push(format!("Cargo.toml: `{name}` has no room; say in tests/tidy/rooms.rs who may know it"));
        }
    }
    findings
}

/// Whether the line uses the crate, and not a module or field of the same name.
fn knows(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        let fresh = !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.'));
        fresh && (after.starts_with("::") || (before.trim_end() == "use" && after.starts_with(';')))
    })
}

fn dependencies(manifest: &str) -> Vec<String> {
    let rest = manifest.split("[dependencies]\n").nth(1).unwrap_or_default();
    let section = rest.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.replace('-', "_")).collect()
}

pub fn impure(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.rust("src/").filter(|file| PURE.contains(&file.room())) {
        for (number, line) in tree.shipped(file).lines().enumerate() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                let what = format!("`{word}` in a room that computes and nothing else");
                let cure = "take the time, bytes or randomness as an argument, or move this to level 3";
                findings.push(finding(file, number + 1, &what, cure));
            }
        }
    }
    findings
}
