//! Text that must not be seen.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

/// A secret of the configuration. It has no `Display`, and its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

/// The address of Redis. Its `Display` leaves user and password out.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct RedisUrl(Secret);

impl RedisUrl {
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.expose();
        let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        // A password may also stand in the query, so only what comes before it is shown.
        write!(f, "{scheme}://{}", host.split(['?', '#']).next().unwrap_or_default())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }

    #[test]
    fn a_redis_url_shows_neither_user_nor_password() {
        let shown = |url: &str| RedisUrl(Secret::new(url)).to_string();
        assert_eq!(shown("redis://:p@ss@cache:6379/0"), "redis://cache:6379/0");
        assert_eq!(shown("redis-sentinel://a:1?sentinelPassword=x"), "redis-sentinel://a:1");
    }
}
