//! The table of every configuration key: where it stands, what it holds, its unit, its default and one sentence about it.
//!
//! Kept here: what an operator may write. Not kept here: what the program makes of it (`settings`), nor rules between
//! two keys (`rules`). From this table come the check for unknown keys, types and ranges, the environment names, the defaults and
//! `docs/configuration.md`; a key that is not in it does not exist.

mod access;
mod listening;
mod namespaces;
mod publishing;
mod redis;
mod schema;

pub(crate) use schema::Schema;

use super::kind::Kind;

/// One key of the configuration.
#[derive(Debug)]
pub(crate) struct Key {
    /// Segments joined by dots; `*` is any key of a map, `[]` any item of a list.
    pub path: &'static str,
    pub kind: Kind,
    /// What a number counts; empty where nothing is counted.
    pub unit: &'static str,
    pub preset: Preset,
    pub sentence: &'static str,
}

/// What holds when nobody says anything.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Preset {
    /// A value, as JSON text.
    Json(&'static str),
    /// The key stays unset.
    Absent,
    /// The key must be given wherever its section is.
    Required,
    /// The program derives the value; the words say how.
    Derived(&'static str),
}

impl Key {
    /// The environment variable of this key. Keys within maps and lists have none, since a variable cannot name an item.
    pub(crate) fn environment(&self) -> Option<String> {
        if self.path.contains(['*', '[']) || !self.kind.fits_in_a_variable() {
            return None;
        }
        Some(format!("FANFARE_{}", self.path.replace('.', "_").to_uppercase()))
    }

    /// A second variable, known from elsewhere. The first wins.
    pub(crate) fn environment_alias(&self) -> Option<&'static str> {
        (self.path == "redis.url").then_some("REDIS_URL")
    }

    /// The flag of `fanfare serve` that sets this key.
    pub(crate) fn flag(&self) -> Option<&'static str> {
        match self.path {
            "listen" => Some("--listen"),
            "admin" => Some("--admin"),
            "cluster.advertise" => Some("--advertise"),
            "redis.url" => Some("--redis"),
            _ => None,
        }
    }
}

/// A chapter of the documentation: a title, what to know before the table, and the keys.
pub(crate) struct Section {
    pub title: &'static str,
    pub text: &'static str,
    pub keys: &'static [Key],
}

/// All keys in the order of the documentation.
pub(crate) const SECTIONS: &[Section] = &[
    listening::PROCESS,
    listening::ENGINE,
    listening::LISTENERS,
    listening::LIMITS,
    access::CORS,
    access::AUTH,
    namespaces::NAMESPACES,
    publishing::HISTORY,
    publishing::RECOVERY,
    publishing::PUBLISH,
    redis::REDIS,
    redis::CLUSTER,
    redis::INGEST,
    redis::DRAIN,
];

pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

const fn key(path: &'static str, kind: Kind, unit: &'static str, preset: Preset, sentence: &'static str) -> Key {
    Key { path, kind, unit, preset, sentence }
}

/// A whole number with its smallest and largest value.
const fn number(
    path: &'static str,
    range: (u64, u64),
    unit: &'static str,
    default: &'static str,
    sentence: &'static str,
) -> Key {
    key(path, Kind::Integer { min: range.0, max: range.1 }, unit, Preset::Json(default), sentence)
}

const fn switch(path: &'static str, default: &'static str, sentence: &'static str) -> Key {
    key(path, Kind::Bool, "", Preset::Json(default), sentence)
}

const fn optional(path: &'static str, kind: Kind, sentence: &'static str) -> Key {
    key(path, kind, "", Preset::Absent, sentence)
}

const fn required(path: &'static str, kind: Kind, sentence: &'static str) -> Key {
    key(path, kind, "", Preset::Required, sentence)
}

const fn preset(path: &'static str, kind: Kind, default: &'static str, sentence: &'static str) -> Key {
    key(path, kind, "", Preset::Json(default), sentence)
}

const MEBIBYTE: u64 = 1024 * 1024;
const HOUR_MS: u64 = 3_600_000;
const DAY_S: u64 = 86_400;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_stands_once_with_a_sentence() {
        let mut seen = BTreeSet::new();
        for key in all() {
            assert!(seen.insert(key.path), "{} stands twice", key.path);
            assert!(key.sentence.ends_with('.') && key.sentence.len() > 15, "{} needs a sentence", key.path);
        }
    }

    #[test]
    fn units_agree_with_names_and_every_number_has_one() {
        for key in all() {
            if !matches!(key.kind, Kind::Integer { .. }) {
                assert_eq!(key.unit, "", "{}", key.path);
                continue;
            }
            assert!(!key.unit.is_empty(), "{} needs a unit", key.path);
            for (suffix, unit) in [("_ms", "milliseconds"), ("_bytes", "bytes"), ("per_s", "requests per second")] {
                assert!(!key.path.ends_with(suffix) || key.unit == unit, "{} counts {}", key.path, key.unit);
            }
            let seconds = key.path.ends_with("_s") && !key.path.ends_with("per_s");
            assert!(!seconds || key.unit == "seconds", "{} counts {}", key.path, key.unit);
        }
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for key in all() {
            if let Preset::Json(text) = key.preset {
                let value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{}: {text} is not JSON", key.path));
                assert!(key.kind.check(value).is_ok(), "{}: {text} is out of range", key.path);
            }
        }
    }

    #[test]
    fn variables_are_derived_and_never_clash() {
        let mut seen = BTreeSet::new();
        for name in all().filter_map(Key::environment) {
            assert!(seen.insert(name.clone()), "{name} stands for two keys");
        }
        assert!(seen.contains("FANFARE_ENGINE_PING_INTERVAL_MS"));
        assert!(seen.contains("FANFARE_CORS_ORIGINS"));
        assert!(!seen.contains("FANFARE_NAMESPACES_*_RECOVERY"));
    }
}
