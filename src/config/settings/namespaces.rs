//! Settings of namespaces, and which of them a client's name means.

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;

use super::super::fault::Complaint;
use super::super::rules;
use super::super::sources::Origins;
use super::super::tree::child;
use crate::contract::Contract;
use crate::ids::Namespace;

/// All namespaces: exact names first, then patterns in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Namespaces(Vec<NamespaceSettings>);

impl Namespaces {
    pub(crate) fn new(value: Value, origins: &Origins) -> Result<Self, String> {
        let Value::Object(entries) = value else { return Err("namespaces are no map".into()) };
        let mut ordered = Vec::new();
        for (name, value) in entries {
            let place = (name.starts_with('^'), origins.line(&child("namespaces", &name)));
            ordered.push((place, NamespaceSettings::new(&name, value)?));
        }
        ordered.sort_by_key(|(place, _)| *place);
        Ok(Self(ordered.into_iter().map(|(_, namespace)| namespace).collect()))
    }

    /// What holds in the namespace `name`: the exact entry, else the first pattern that matches, else there is no such namespace.
    pub fn find(&self, name: &str) -> Option<&NamespaceSettings> {
        self.0.iter().find(|namespace| namespace.name.matches(name))
    }

    pub fn iter(&self) -> impl Iterator<Item = &NamespaceSettings> {
        self.0.iter()
    }
}

/// What holds in one namespace, or in all whose names match a pattern.
#[derive(Debug, Clone, Deserialize)]
pub struct NamespaceSettings {
    #[serde(skip_deserializing, default = "NamespaceName::root")]
    pub name: NamespaceName,
    pub description: Option<String>,
    pub anonymous: bool,
    /// Names of `auth.issuers`; empty means all.
    pub issuers: Vec<String>,
    /// Templates as in `user:{sub}`.
    pub rooms: Vec<String>,
    /// Patterns with `*` and `{claim}`.
    pub join: Vec<String>,
    /// Patterns with `*` and `{claim}`.
    pub publish: Vec<String>,
    pub recovery: bool,
    pub recovery_window_s: u64,
    /// Refuses every CONNECT.
    pub refuse: Option<Refuse>,
    #[serde(skip)]
    pub contract: Contract,
}

impl NamespaceSettings {
    fn new(name: &str, value: Value) -> Result<Self, String> {
        let name = NamespaceName::parse(name).map_err(|complaint| complaint.problem)?;
        let entries = value.as_object().ok_or("a namespace is no section")?;
        let contract = rules::contract(entries).map_err(|_| "a contract does not compile")?;
        let settings: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Ok(Self { name, contract, ..settings })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refuse {
    pub message: String,
    /// Any JSON value.
    #[serde(default)]
    pub data: Option<Value>,
}

/// A namespace's name, or a pattern for names.
#[derive(Debug, Clone)]
pub enum NamespaceName {
    Exact(Namespace),
    /// Anchored on both sides; matching takes time linear in the name.
    Pattern(Regex),
}

impl NamespaceName {
    pub(crate) fn parse(name: &str) -> Result<Self, Complaint> {
        if !name.starts_with('^') {
            return Namespace::new(name).map(Self::Exact).map_err(|error| {
                Complaint::new(
                    format!("is not a namespace ({error})"),
                    "write a name that starts with `/`, or a pattern from `^` to `$`",
                )
            });
        }
        if !name.ends_with('$') || name.ends_with("\\$") {
            return Err(Complaint::new("is a pattern without an end", "end it with `$`"));
        }
        // Alternatives at the top level would each be anchored on one side only.
        let whole = format!("^(?:{})$", &name[1..name.len() - 1]);
        match RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).nest_limit(32).build() {
            Ok(pattern) => Ok(Self::Pattern(pattern)),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err(Complaint::new("is a pattern too large", "use fewer repetitions"))
            }
            Err(_) => Err(Complaint::new(
                "is not a valid pattern",
                "write a regular expression without look-around and references",
            )),
        }
    }

    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.as_str() == name,
            Self::Pattern(pattern) => name.starts_with('/') && pattern.is_match(name),
        }
    }

    /// `None` for a name that is written out.
    pub fn pattern(&self) -> Option<&Regex> {
        match self {
            Self::Exact(_) => None,
            Self::Pattern(pattern) => Some(pattern),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(exact) => exact.as_str(),
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }

    fn root() -> Self {
        Self::Exact(Namespace::root())
    }
}

/// Bounds the memory of one compiled pattern.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
