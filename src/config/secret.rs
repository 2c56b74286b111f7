//! The address of Redis, which may hold a password.

use std::fmt;

use serde::Deserialize;

use crate::auth::Secret;

/// The address of Redis. Its `Display` leaves user and password out.
#[derive(Clone, Deserialize)]
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
    fn a_redis_url_shows_neither_user_nor_password() {
        let shown = |url: &str| RedisUrl(Secret::from(url)).to_string();
        assert_eq!(shown("redis://:p@ss@cache:6379/0"), "redis://cache:6379/0");
        assert_eq!(shown("redis-sentinel://a:1?sentinelPassword=x"), "redis-sentinel://a:1");
    }
}
