//! What the nodes of one installation can make and nobody else: seals on session ids, marks on forwarded requests.

use arc_swap::ArcSwap;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::secret::Secret;

/// The secret that the nodes share, ready to seal with. A seal made for one purpose holds for no other.
pub struct Seal(ArcSwap<Hmac<Sha256>>);

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    SessionId,
    /// One hop of a request from node to node.
    Hop,
}

impl Seal {
    pub fn new(secret: &Secret) -> Self {
        Self(ArcSwap::from_pointee(keyed(secret)))
    }

    /// From now on seals are made and judged with this secret. Earlier ones hold no longer.
    pub fn adopt(&self, secret: &Secret) {
        self.0.store(keyed(secret).into());
    }

    /// The first `N` bytes of HMAC-SHA-256 (RFC 2104) over purpose and parts. Each part is preceded by its length, so that
    /// no two lists of parts are sealed alike.
    pub fn make<const N: usize>(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; N] {
        const { assert!(N >= 8 && N <= 32) };
        let mut seal = [0; N];
        seal.copy_from_slice(&self.over(purpose, parts).finalize().into_bytes()[..N]);
        seal
    }

    /// Whether this seal of 8 to 32 bytes is ours, in a time that does not depend on it.
    pub fn holds(&self, purpose: Purpose, parts: &[&[u8]], seal: &[u8]) -> bool {
        (8..=32).contains(&seal.len()) && self.over(purpose, parts).verify_truncated_left(seal).is_ok()
    }

    fn over(&self, purpose: Purpose, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::clone(&self.0.load());
        mac.update(match purpose {
            Purpose::SessionId => b"session id\n",
            Purpose::Hop => b"hop\n",
        });
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

fn keyed(secret: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_for_its_secret_purpose_and_parts_only() {
        let seal = Seal::new(&Secret::from("one"));
        let made: [u8; 8] = seal.make(Purpose::SessionId, &[b"ab", b"c"]);
        assert!(seal.holds(Purpose::SessionId, &[b"ab", b"c"], &made));
        assert!(!seal.holds(Purpose::Hop, &[b"ab", b"c"], &made));
        assert!(!seal.holds(Purpose::SessionId, &[b"a", b"bc"], &made), "parts do not run together");
        assert!(!seal.holds(Purpose::SessionId, &[b"ab", b"c"], &made[..7]), "a shorter one is easier to guess");
        assert!(!seal.holds(Purpose::SessionId, &[b"ab", b"c"], b""));
        assert!(!Seal::new(&Secret::from("two")).holds(Purpose::SessionId, &[b"ab", b"c"], &made));
    }

    #[test]
    fn an_adopted_secret_takes_the_place_of_the_first() {
        let seal = Seal::new(&Secret::from("one"));
        let made: [u8; 16] = seal.make(Purpose::Hop, &[b"x"]);
        seal.adopt(&Secret::from("two"));
        assert!(!seal.holds(Purpose::Hop, &[b"x"], &made));
        seal.adopt(&Secret::from("one"));
        assert!(seal.holds(Purpose::Hop, &[b"x"], &made));
    }
}
