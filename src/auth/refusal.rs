//! Why somebody is not let in, and the little of it that they are told.

/// The reason of a refusal. The reason itself goes to logs and metrics ([`Refusal::class`]); the peer only learns the
/// [`Code`] and its message, so that a forger does not learn which check stopped him.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error("no token was given")]
    Missing,
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's algorithm is not allowed")]
    Algorithm,
    #[error("the token's signature does not match")]
    Signature,
    #[error("the token's key is unknown")]
    KeyUnknown,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token's issuer is not allowed")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token was issued to another party")]
    Party,
    #[error("a claim is missing or has the wrong form")]
    Claims,
    #[error("the token is valid for too long")]
    Lifetime,
    #[error("the API key is unknown")]
    ApiKey,
    #[error("the issuer's keys can not be had")]
    KeysUnavailable,
    #[error("the right is missing")]
    Forbidden,
}

/// What a refused peer is told; the transport's table gives each its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    AuthRequired,
    AuthInvalid,
    AuthExpired,
    Unavailable,
    Forbidden,
}

impl Refusal {
    pub const ALL: [Self; 15] = [
        Self::Missing,
        Self::Malformed,
        Self::Algorithm,
        Self::Signature,
        Self::KeyUnknown,
        Self::Expired,
        Self::NotYetValid,
        Self::Issuer,
        Self::Audience,
        Self::Party,
        Self::Claims,
        Self::Lifetime,
        Self::ApiKey,
        Self::KeysUnavailable,
        Self::Forbidden,
    ];

    pub fn code(self) -> Code {
        match self {
            Self::Missing => Code::AuthRequired,
            Self::Malformed
            | Self::Algorithm
            | Self::Signature
            | Self::KeyUnknown
            | Self::NotYetValid
            | Self::Issuer
            | Self::Audience
            | Self::Party
            | Self::Claims
            | Self::Lifetime
            | Self::ApiKey => Code::AuthInvalid,
            Self::Expired => Code::AuthExpired,
            Self::KeysUnavailable => Code::Unavailable,
            Self::Forbidden => Code::Forbidden,
        }
    }

    /// The sentence for the peer.
    pub fn message(self) -> &'static str {
        self.code().message()
    }

    /// The reason as a label of a closed set, for metrics and logs.
    pub fn class(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::KeyUnknown => "key_unknown",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Party => "party",
            Self::Claims => "claims",
            Self::Lifetime => "lifetime",
            Self::ApiKey => "api_key",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Forbidden => "forbidden",
        }
    }
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthRequired => "AUTH_REQUIRED",
            Self::AuthInvalid => "AUTH_INVALID",
            Self::AuthExpired => "AUTH_EXPIRED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Forbidden => "FORBIDDEN",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Self::AuthRequired => "Authentication required",
            Self::AuthInvalid => "Invalid token",
            Self::AuthExpired => "Token expired",
            Self::Unavailable => "Temporarily unavailable",
            Self::Forbidden => "Forbidden",
        }
    }
}
