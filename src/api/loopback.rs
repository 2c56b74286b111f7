//! Whether a request surely comes from a program on this machine: the only ones that may publish without credentials.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Uri};

/// The peer is local, no proxy stands between (it would be local for everybody), no web page of elsewhere asks (browsers say
/// whose page it is in `Origin`), and the name it asked for is not one that foreign DNS could point here.
pub(super) fn is_local(peer: Option<SocketAddr>, uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |value: &http::HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
    let host = headers.get(HOST).map(text).or_else(|| uri.authority().map(ToString::to_string));
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        && !PROXIED.iter().any(|name| headers.contains_key(name))
        && headers.get(ORIGIN).map(text).is_none_or(|origin| is_local_origin(&origin))
        && host.is_some_and(|host| is_trusted_host(&host))
}

/// Who forwards requests adds at least one of these.
const PROXIED: [HeaderName; 6] = [
    FORWARDED,
    http::header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

fn is_local_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.map(name_of).is_some_and(|host| match address(host) {
        Some(address) => address.is_loopback(),
        None => is_localhost(host),
    })
}

/// No DNS answer changes what an address means.
fn is_trusted_host(host: &str) -> bool {
    let host = name_of(host);
    address(host).is_some() || is_localhost(host)
}

/// `host[:port]` without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// Names that never leave the machine (RFC 6761, section 6.3).
fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(peer: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        is_local(peer.parse().ok(), &Uri::from_static("/api/v1/publish"), &headers.collect())
    }

    #[test]
    fn programs_and_pages_of_this_machine_are_local() {
        for peer in ["127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert!(local(peer, &[("host", "localhost:3001")]), "{peer}");
        }
        for host in ["127.0.0.1:3001", "[::1]:3001", "LOCALHOST", "10.0.0.7", "app.localhost:1"] {
            assert!(local("127.0.0.1:5", &[("host", host)]), "{host}");
        }
        for origin in ["http://localhost:5173", "http://127.0.0.1:3001", "http://[::1]:3001", "https://localhost"] {
            assert!(local("127.0.0.1:5", &[("host", "localhost"), ("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn whoever_could_speak_for_somebody_else_is_not() {
        for peer in ["10.0.0.7:5", "[fe80::1]:5", "none"] {
            assert!(!local(peer, &[("host", "localhost")]), "{peer}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "0x7f.1", "[::1].evil"] {
            assert!(!local("127.0.0.1:5", &[("host", host)]), "{host}");
        }
        assert!(!local("127.0.0.1:5", &[]));
        for origin in
            ["https://evil.example", "null", "", "http://localhost.evil.example", "http://10.0.0.7", "file://"]
        {
            assert!(!local("127.0.0.1:5", &[("host", "localhost"), ("origin", origin)]), "{origin}");
        }
        for proxy in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            assert!(!local("127.0.0.1:5", &[("host", "localhost"), (proxy, "127.0.0.1")]), "{proxy}");
        }
    }
}
