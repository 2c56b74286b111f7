//! What can be wrong with the options of this room.

/// One thing an operator has to correct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {fault}")]
pub struct OptionFault {
    /// Where it stands, as a path within the options, such as `issuers[1].key`.
    pub at: String,
    pub fault: Fault,
}

impl OptionFault {
    pub(super) fn new(at: impl Into<String>, fault: Fault) -> Self {
        Self { at: at.into(), fault }
    }
}

/// What is wrong with an option. No variant carries a value from the options, for it might be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("is empty")]
    Empty,
    #[error("is there twice")]
    Duplicate,
    #[error("a shared secret only serves HS256, HS384 and HS512")]
    SecretForPublicKeyAlgorithm,
    #[error("HS256, HS384 and HS512 need a shared secret, not a public key")]
    PublicKeyForHmac,
    #[error(
        "is not a public key in PEM form (PUBLIC KEY or RSA PUBLIC KEY; RSA 2048 to 4096 bits, P-256, P-384 or Ed25519)"
    )]
    UnusablePem,
    #[error("is a private key; the gateway only needs the public one")]
    PrivateKey,
    #[error("the key serves none of the algorithms listed")]
    KeyWithoutAlgorithm,
    #[error("is not an address that starts with https:// or http:// and carries no user or password")]
    BadUrl,
    #[error("has a brace without its partner, or nothing between them")]
    Braces,
    #[error("is longer than {max} bytes")]
    TooLong { max: usize },
    #[error("has a wildcard; only patterns may")]
    Wildcard,
    #[error("is not an origin such as https://app.example.com (no path, no trailing slash)")]
    BadOrigin,
    #[error("\"*\" and \"reflect\" stand alone, without other origins")]
    OriginNotAlone,
    #[error("browsers refuse \"*\" together with credentials; list the origins")]
    WildcardWithCredentials,
    #[error("is not an HTTP method")]
    BadMethod,
    #[error("is not \"sha256:\" followed by 64 hexadecimal digits")]
    BadDigest,
}
