//! What a key may hold: the check of one value, and how it is said in words.

use std::net::SocketAddr;

use serde_json::Value;

use super::fault::Complaint;
use super::shape;

/// The kinds of values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Bool,
    Integer {
        min: u64,
        max: u64,
    },
    /// Text of at least one and at most `max` bytes.
    Text {
        max: usize,
    },
    /// A word of `[A-Za-z0-9_.-]`, by which other keys refer to something.
    Name,
    OneOf(&'static [&'static str]),
    /// A list with at least so many items.
    List(&'static Kind, usize),
    /// `IP:port`
    Address,
    /// `host:port`
    HostPort,
    UrlPath,
    Origin,
    /// A URL with one of these schemes.
    Url(&'static [&'static str]),
    /// As `Url`, but it may hold a password.
    RedisUrl(&'static [&'static str]),
    Tenant,
    KeyPrefix,
    Namespace,
    Claim,
    RoomTemplate,
    RoomPattern,
    Secret,
    Pem,
    /// A file whose content takes the place of the key without `_file`.
    SecretFile,
    /// A file that stays a path.
    File,
    /// Any value at all.
    Any,
    /// Checked by the event contract.
    Contract,
    /// Keys of another section, without its defaults.
    Overrides(&'static str),
}

/// The URL schemes of Redis.
pub(crate) const REDIS_SCHEMES: &[&str] =
    &["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"];

impl Kind {
    /// The value in its final form, or what is wrong with it.
    pub(crate) fn check(&self, value: Value) -> Result<Value, Complaint> {
        match self {
            Self::Bool => match value {
                Value::Bool(_) => Ok(value),
                other => Err(self.wanted(&other)),
            },
            Self::Integer { min, max } => match value.as_u64() {
                Some(number) if (*min..=*max).contains(&number) => Ok(value),
                _ => Err(self.wanted(&value)),
            },
            Self::OneOf(words) => {
                // `true` and `false` are words here, whatever YAML thinks of them.
                let word = value.as_bool().map_or(value, |yes| Value::String(yes.to_string()));
                if word.as_str().is_some_and(|word| words.contains(&word)) { Ok(word) } else { Err(self.wanted(&word)) }
            }
            // The first fault only: whoever tells them all goes through the items one by one.
            Self::List(kind, least) => match value {
                Value::Array(items) if items.len() >= *least => {
                    items.into_iter().map(|item| kind.check(item)).collect()
                }
                Value::Array(_) => Err(Complaint::new("is an empty list", format!("write {}", self.words()))),
                other => Err(self.wanted(&other)),
            },
            Self::Any | Self::Contract | Self::Overrides(_) => Ok(value),
            Self::Text { .. }
            | Self::Name
            | Self::Address
            | Self::HostPort
            | Self::UrlPath
            | Self::Origin
            | Self::Url(_)
            | Self::RedisUrl(_)
            | Self::Tenant
            | Self::KeyPrefix
            | Self::Namespace
            | Self::Claim
            | Self::RoomTemplate
            | Self::RoomPattern
            | Self::Secret
            | Self::Pem
            | Self::SecretFile
            | Self::File => match value.as_str() {
                Some(text) if self.fits(text) => Ok(value),
                _ => Err(self.wanted(&value)),
            },
        }
    }

    /// Reads the text of a variable or flag as this kind; lists are separated by commas.
    pub(crate) fn read(&self, text: &str) -> Value {
        let parsed = if let Self::List(kind, _) = self {
            Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| kind.read(item)).collect())
        } else if matches!(self, Self::Bool) {
            text.parse().ok().map(Value::Bool)
        } else if matches!(self, Self::Integer { .. }) {
            text.parse::<u64>().ok().map(Value::from)
        } else {
            None
        };
        // What cannot be read stays text, which the check then refuses.
        parsed.unwrap_or_else(|| Value::from(text))
    }

    pub(crate) fn fits_in_a_variable(&self) -> bool {
        !matches!(self, Self::Any | Self::Contract | Self::Overrides(_))
    }

    /// Whether the value must not be printed.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::RedisUrl(_) | Self::Pem)
    }

    /// What is wanted, reading on after "write" and in the documentation.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Bool => "`true` or `false`".into(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Text { max } => format!("text of 1 to {max} bytes"),
            Self::Name => "a word of letters, digits, `_`, `-` and `.`".into(),
            Self::OneOf(words) => match words {
                [all @ .., last] if !all.is_empty() => format!("`{}` or `{last}`", all.join("`, `")),
                _ => format!("`{}`", words.join("`, `")),
            },
            Self::List(kind, 0) => format!("a list, each item {}", kind.words()),
            Self::List(kind, least) => format!("a list with at least {least} item, each {}", kind.words()),
            Self::Address => "an address and port as in `127.0.0.1:3001`".into(),
            Self::HostPort => "a host and port as in `node-1.internal:3001`".into(),
            Self::UrlPath => "a path that starts and ends with `/`".into(),
            Self::Origin => "`*` or an origin as in `https://app.example.com`".into(),
            Self::Url(schemes) | Self::RedisUrl(schemes) => {
                format!("a URL that starts with `{}://`", schemes.join("://`, `"))
            }
            Self::Tenant => "1 to 64 characters of `a-z`, `0-9`, `_` and `-`".into(),
            Self::KeyPrefix => "1 to 128 printable characters without space, `{` and `}`".into(),
            Self::Namespace => "a namespace, which starts with `/`".into(),
            Self::Claim => "the name of a claim".into(),
            Self::RoomTemplate => "a room name, in which `{claim}` stands for a claim".into(),
            Self::RoomPattern => "a room name, in which `{claim}` stands for a claim and `*` for any characters".into(),
            Self::Secret => "text in quotes that is not empty".into(),
            Self::Pem => "a public key that starts with `-----BEGIN`".into(),
            Self::SecretFile | Self::File => "the path of a file".into(),
            Self::Any => "any value".into(),
            Self::Contract => "see `contract.md`".into(),
            Self::Overrides(section) => format!("keys of the section `{section}`"),
        }
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Text { max } => (1..=*max).contains(&text.len()),
            Self::Name => shape::is_name(text),
            Self::Address => text.parse::<SocketAddr>().is_ok(),
            Self::HostPort => text.parse::<crate::backplane::Address>().is_ok(),
            Self::UrlPath => shape::is_url_path(text),
            Self::Origin => text == "*" || shape::is_origin(text),
            Self::Url(schemes) | Self::RedisUrl(schemes) => shape::is_url(text, schemes),
            Self::Tenant => crate::ids::Tenant::new(text).is_some(),
            Self::KeyPrefix => shape::is_key_prefix(text),
            Self::Namespace => crate::ids::Namespace::new(text).is_ok(),
            Self::Claim => shape::is_claim(text),
            Self::RoomTemplate => shape::is_room_template(text, false),
            Self::RoomPattern => shape::is_room_template(text, true),
            Self::Pem => text.trim_start().starts_with("-----BEGIN "),
            Self::Secret | Self::SecretFile | Self::File => !text.is_empty(),
            Self::Bool
            | Self::Integer { .. }
            | Self::OneOf(_)
            | Self::List(..)
            | Self::Any
            | Self::Contract
            | Self::Overrides(_) => false,
        }
    }

    fn wanted(&self, value: &Value) -> Complaint {
        let problem = if self.is_secret() { format!("is {}", sort(value)) } else { format!("is {}", shown(value)) };
        let problem =
            if self.is_secret() && value.is_string() { "does not have the right form".into() } else { problem };
        Complaint::new(problem, format!("write {}", self.words()))
    }
}

/// What sort of value this is, for a reader of YAML.
pub(crate) fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a section with keys",
    }
}

/// A value as shown in a fault: short, on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let short: String = text.chars().take(SHOWN_CHARACTERS).collect();
            let dots = if short.len() < text.len() { "…" } else { "" };
            format!("the text {:?}", short + dots)
        }
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => sort(value).into(),
    }
}

const SHOWN_CHARACTERS: usize = 60;
