//! The mark of a request that one node sends on to another. Only nodes can make it, it holds for one request line, one node
//! and a short time, and a request that bears it goes no further.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, Method, Request};

use crate::auth::{Purpose, Seal};
use crate::ids::NodeId;

/// `<time>.<listener>.<node>.<seal>`
pub(super) static HOP: HeaderName = HeaderName::from_static("fanfare-hop");

/// The method by which a node asks the owner to answer the poll that waits there now.
pub(super) fn release() -> Method {
    Method::from_bytes(b"RELEASE").expect("a method is any token")
}

/// How far the registry's time, as two nodes know it, may differ, and a request take: milliseconds.
const HOP_MS: u64 = 30_000;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    /// From a client, whatever it writes into its headers.
    None,
    /// From the node that the client asked, where it came in at this listener. Origin and CORS were settled there.
    From { listener: usize },
    /// From a node that takes us for another one, or long ago.
    Astray,
}

/// The mark for a request of this method and target (path and query).
pub(super) fn mark(seal: &Seal, method: &str, target: &str, node: NodeId, listener: usize, now_ms: u64) -> HeaderValue {
    let claim = format!("{now_ms}.{listener}.{node}");
    let made: [u8; 16] = seal.make(Purpose::Hop, &[method.as_bytes(), target.as_bytes(), claim.as_bytes()]);
    HeaderValue::try_from(format!("{claim}.{}", URL_SAFE_NO_PAD.encode(made)))
        .expect("digits, dots and base64url are visible ASCII")
}

/// What the mark of an arriving request says. A mark that no node made is none.
pub(super) fn read<B>(seal: &Seal, request: &Request<B>, own: NodeId, now_ms: impl FnOnce() -> u64) -> Hop {
    let Some(value) = request.headers().get(&HOP) else { return Hop::None };
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let judged = value.to_str().ok().and_then(|value| judge(seal, request.method().as_str(), target, value));
    match judged {
        None => Hop::None,
        Some((node, marked_ms, _)) if node != own || marked_ms.abs_diff(now_ms()) > HOP_MS => Hop::Astray,
        Some((_, _, listener)) => Hop::From { listener },
    }
}

fn judge(seal: &Seal, method: &str, target: &str, value: &str) -> Option<(NodeId, u64, usize)> {
    let (claim, made) = value.rsplit_once('.')?;
    let made = URL_SAFE_NO_PAD.decode(made).ok().filter(|made| made.len() == 16)?;
    if !seal.holds(Purpose::Hop, &[method.as_bytes(), target.as_bytes(), claim.as_bytes()], &made) {
        return None;
    }
    let mut words = claim.split('.');
    let (marked_ms, listener, node) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
    Some((NodeId::parse(node)?, marked_ms, listener))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;

    const TARGET: &str = "/socket.io/?EIO=4&transport=polling&sid=x";
    const NOW_MS: u64 = 1_700_000_000_000;

    fn seal() -> Seal {
        Seal::new(&Secret::from("the secret of the nodes"))
    }

    fn node(number: u8) -> NodeId {
        NodeId::from_random([number; 9])
    }

    fn arriving(method: &str, target: &str, mark: &HeaderValue) -> Request<()> {
        Request::builder().method(method).uri(target).header(&HOP, mark).body(()).unwrap()
    }

    #[test]
    fn a_mark_holds_for_its_request_its_node_and_its_time() {
        let mark = mark(&seal(), "GET", TARGET, node(1), 2, NOW_MS);
        let request = arriving("GET", TARGET, &mark);
        assert_eq!(read(&seal(), &request, node(1), || NOW_MS + HOP_MS), Hop::From { listener: 2 });
        assert_eq!(read(&seal(), &request, node(1), || NOW_MS - HOP_MS), Hop::From { listener: 2 });
        assert_eq!(read(&seal(), &request, node(1), || NOW_MS + HOP_MS + 1), Hop::Astray);
        assert_eq!(
            read(&seal(), &request, node(2), || NOW_MS),
            Hop::Astray,
            "who is not meant neither serves nor passes on"
        );
        for (method, target) in [("POST", TARGET), ("GET", "/socket.io/?EIO=4&transport=polling&sid=y")] {
            assert_eq!(read(&seal(), &arriving(method, target, &mark), node(1), || NOW_MS), Hop::None);
        }
    }

    #[test]
    fn what_a_client_writes_into_the_header_means_nothing() {
        let genuine = mark(&seal(), "GET", TARGET, node(1), 0, NOW_MS).to_str().unwrap().to_owned();
        let foreign = mark(&Seal::new(&Secret::from("guessed")), "GET", TARGET, node(1), 0, NOW_MS);
        let later = genuine.replacen("17", "18", 1);
        let claim = genuine.rsplit_once('.').unwrap().0;
        for forged in
            ["", "1", "....", foreign.to_str().unwrap(), &later, claim, &format!("{claim}."), &format!("{genuine}AA")]
        {
            let value = HeaderValue::from_str(forged).unwrap();
            assert_eq!(read(&seal(), &arriving("GET", TARGET, &value), node(1), || NOW_MS), Hop::None, "{forged}");
        }
        let opaque = HeaderValue::from_bytes(b"\xff").unwrap();
        assert_eq!(read(&seal(), &arriving("GET", TARGET, &opaque), node(1), || NOW_MS), Hop::None);
        assert_eq!(read(&seal(), &Request::new(()), node(1), || NOW_MS), Hop::None);
    }
}
