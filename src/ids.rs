//! Identifiers as types, so that two strings of different meaning are never mixed up.
//!
//! Everything here was checked once, at the edge: a `Room` in hand is a valid room name. Cloning is a reference count.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longest room name, in bytes. Configurable limits may be lower, never higher.
pub const ROOM_BYTES_MAX: usize = 255;

/// Longest namespace name, in bytes.
pub const NAMESPACE_BYTES_MAX: usize = 255;

/// A map whose keys are names. Its hash costs a fraction of the standard library's; it is seeded anew for every map, so that
/// nobody outside can choose names that collide.
pub type ByName<N, T> = HashMap<N, T, foldhash::quality::RandomState>;

/// Why a name from outside is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the name is empty")]
    Empty,
    #[error("the name is longer than {max} bytes")]
    TooLong { max: usize },
    #[error("the name contains a control character")]
    ControlCharacter,
    #[error("a namespace starts with \"/\"")]
    NoSlash,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A Socket.IO namespace, `/` or `/name`; `:` is an ordinary character in it.
    Namespace
);
text_id!(
    /// A room of a namespace: 1 to 255 bytes of UTF-8 without control characters.
    Room
);
text_id!(
    /// Who owns a partition besides its namespace; `[a-z0-9_-]{1,64}`.
    Tenant
);

/// A socket: one client in one namespace (20 URL-safe characters). It is public and may be used as a room name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketId([u8; Self::LENGTH]);

/// One gateway process. Twelve URL-safe characters as text, made at start.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId([u8; NodeId::BYTES]);

/// An Engine.IO session: a secret between client and server that names the node and the worker that own it.
///
/// Forty URL-safe characters as text: node (9 bytes), worker (1), random (12), seal (8). The seal is made with the secret of
/// all nodes, so that an id somebody thought up is known for one without asking anybody.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; SessionId::BYTES]);

impl Namespace {
    /// # Errors
    /// If the name is too long, has control characters or does not start with a slash.
    pub fn new(name: &str) -> Result<Self, NameError> {
        checked(name, NAMESPACE_BYTES_MAX)?;
        if !name.starts_with('/') {
            return Err(NameError::NoSlash);
        }
        Ok(Self(name.into()))
    }

    /// A name to be sent back to the client that wrote it, in the refusal of a namespace that does not exist.
    /// `None` if it is too long to be worth an answer.
    pub fn unchecked_echo(name: &str) -> Option<Self> {
        (name.len() <= NAMESPACE_BYTES_MAX).then(|| Self(name.into()))
    }

    /// The namespace `/`.
    pub fn root() -> Self {
        Self("/".into())
    }
}

impl Room {
    /// # Errors
    /// If the name is empty, too long or has control characters.
    pub fn new(name: &str) -> Result<Self, NameError> {
        checked(name, ROOM_BYTES_MAX)?;
        Ok(Self(name.into()))
    }
}

impl Tenant {
    /// `None` unless the name is `[a-z0-9_-]{1,64}`.
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        (!name.is_empty() && name.len() <= 64 && name.bytes().all(allowed)).then(|| Self(name.into()))
    }
}

impl NodeId {
    const BYTES: usize = 9;

    pub fn from_random(random: [u8; 9]) -> Self {
        Self(random)
    }

    /// `None` unless the text is that of a node's id.
    pub fn parse(text: &str) -> Option<Self> {
        from_url_safe(text).map(Self)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SocketId {
    pub const LENGTH: usize = 20;

    /// 96 random bits with a check of 24, so that a socket's address can be told from a room's name wherever it turns up.
    pub fn from_random(random: [u8; 12]) -> Self {
        let mut bytes = [0; 15];
        bytes[..12].copy_from_slice(&random);
        bytes[12..].copy_from_slice(&check(&random));
        let mut text = [0; Self::LENGTH];
        let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(length, Ok(Self::LENGTH), "fifteen bytes are twenty characters");
        Self(text)
    }

    /// # Panics
    /// Never: it was made of ASCII.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made of ASCII")
    }

    /// `None` unless the text is a socket id.
    pub fn parse(text: &str) -> Option<Self> {
        Self::recognizes(text).then(|| text.as_bytes().try_into().ok().map(Self)).flatten()
    }

    /// Whether `name` is a socket id. A room of the same form passes with a probability of 2^-24.
    pub fn recognizes(name: &str) -> bool {
        let mut bytes = [0; 15];
        let decoded = name.len() == Self::LENGTH && URL_SAFE_NO_PAD.decode_slice(name, &mut bytes) == Ok(15);
        decoded && bytes[12..] == check(&bytes[..12])
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As its text, so that a room's name finds it in a map.
impl Hash for SocketId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl std::borrow::Borrow<str> for SocketId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// The low 24 bits of FNV-1a; it keeps out coincidence, not forgery.
fn check(bytes: &[u8]) -> [u8; 3] {
    let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let folded = hash ^ (hash >> 24);
    let [_, high, middle, low] = folded.to_be_bytes();
    [high, middle, low]
}

impl SessionId {
    const BYTES: usize = 30;
    const SEALED: usize = 22;
    pub const SEAL_BYTES: usize = 8;

    /// `seal` makes the seal of what stands before it.
    pub fn new(
        node: &NodeId,
        worker: u8,
        random: [u8; 12],
        seal: impl FnOnce(&[u8]) -> [u8; Self::SEAL_BYTES],
    ) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes[..9].copy_from_slice(&node.0);
        bytes[9] = worker;
        bytes[10..Self::SEALED].copy_from_slice(&random);
        let seal = seal(&bytes[..Self::SEALED]);
        bytes[Self::SEALED..].copy_from_slice(&seal);
        Self(bytes)
    }

    /// `None` unless the text has the form of a session id; whether its seal holds is another question.
    pub fn parse(text: &str) -> Option<Self> {
        from_url_safe(text).map(Self)
    }

    pub fn node(&self) -> NodeId {
        NodeId(std::array::from_fn(|at| self.0[at]))
    }

    /// The index of the worker on its node.
    pub fn worker(&self) -> u8 {
        self.0[9]
    }

    /// What the seal is made of, and the seal.
    pub fn sealed(&self) -> (&[u8], &[u8]) {
        self.0.split_at(Self::SEALED)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&url_safe(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&url_safe(&self.0))
    }
}

/// Whoever knows the id owns the session, so it is not shown by accident.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", self.node())
    }
}

/// What a client names a session of its by when it comes back (Socket.IO: `pid`). A secret between client and server, like
/// a token: it is not shown, and only a digest of it leaves the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrivateId([u8; 15]);

impl PrivateId {
    pub fn from_random(random: [u8; 15]) -> Self {
        Self(random)
    }

    /// `None` for a text that no server of ours has given out.
    pub fn parse(text: &str) -> Option<Self> {
        from_url_safe(text).map(Self)
    }

    /// Its text form, 20 URL-safe characters, for the client alone.
    pub fn expose(&self) -> String {
        url_safe(&self.0)
    }
}

impl fmt::Debug for PrivateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateId(…)")
    }
}

fn url_safe(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Exactly `N` bytes, and no other text stands for them.
fn from_url_safe<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let fits = text.len() == (N * 4).div_ceil(3);
    let decoded = fits.then(|| URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok());
    (decoded.flatten() == Some(N)).then_some(bytes)
}

fn checked(name: &str, max: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > max {
        return Err(NameError::TooLong { max });
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::ControlCharacter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once_and_said_why_not() {
        assert_eq!(Room::new(""), Err(NameError::Empty));
        assert_eq!(Room::new("a\r\nb"), Err(NameError::ControlCharacter));
        assert_eq!(Room::new(&"x".repeat(256)), Err(NameError::TooLong { max: 255 }));
        assert_eq!(Namespace::new("custom"), Err(NameError::NoSlash));
        assert!(Namespace::new("/alert:weather").is_ok());
        assert!(Tenant::new("Acme").is_none());
    }

    #[test]
    fn a_session_id_names_its_node_and_worker() {
        let node = NodeId::from_random([5; 9]);
        let id = SessionId::new(&node, 3, [7; 12], |sealed| [u8::try_from(sealed.len()).unwrap(); 8]);
        let text = id.to_string();
        assert_eq!((text.len(), id.node(), id.worker()), (40, node, 3));
        assert_eq!(id.sealed().1, [22; 8]);
        assert_eq!(SessionId::parse(&text), Some(id));
        assert_eq!(NodeId::parse(&node.to_string()), Some(node));
    }

    #[test]
    fn what_has_not_the_form_of_a_session_id_is_none() {
        let text = SessionId::new(&NodeId::from_random([5; 9]), 3, [7; 12], |_| [1; 8]).to_string();
        for bad in ["", "__proto__", &text[..39], &format!("{text}A"), &text.replace('B', "="), &"é".repeat(20)] {
            assert_eq!(SessionId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_debug_form_of_a_session_id_is_of_no_use_to_a_thief() {
        let id = SessionId::new(&NodeId::from_random([5; 9]), 3, [7; 12], |_| [1; 8]);
        assert!(!format!("{id:?}").contains(&id.to_string()[13..]));
    }

    #[test]
    fn a_private_id_is_read_back_as_written_and_not_shown() {
        let id = PrivateId::from_random([9; 15]);
        assert_eq!(PrivateId::parse(&id.expose()), Some(id));
        assert_eq!(format!("{id:?}"), "PrivateId(…)");
        for foreign in ["", "nope", "____________________=", "ä___________________", &"A".repeat(21)] {
            assert_eq!(PrivateId::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn socket_ids_are_recognized_by_their_form() {
        assert!(SocketId::recognizes(SocketId::from_random([9; 12]).as_str()));
        assert!(!SocketId::recognizes("kitchen"));
        assert!(!SocketId::recognizes("5f2e8c0a9b1d4e7f3a6c"), "a room of the same length");
    }
}
