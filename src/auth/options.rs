//! What an operator says about tokens. Plain values; [`super::Authenticator::new`] checks them, all at once.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::secret::Secret;

/// Everything about tokens that configuration decides.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub issuers: Vec<Issuer>,
}

/// One source of tokens and the rules for them.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// How configuration and logs call it; unique.
    pub name: IssuerName,
    /// The claim `iss` that its tokens carry. Without it `iss` is not looked at.
    pub issuer: Option<String>,
    /// The claim `aud` has to name one of them. Without any `aud` is not looked at.
    pub audiences: Vec<String>,
    /// The only algorithms its keys are used with.
    pub algorithms: Vec<Algorithm>,
    pub key: KeySource,
    /// Tolerated difference between the clocks of issuer and gateway, in seconds.
    pub leeway_s: u64,
    /// Claims that must be there and not null; dotted paths are allowed.
    pub required_claims: Vec<String>,
    /// The claim that names the user; a dotted path is allowed.
    pub subject_claim: String,
    /// Longest time from `iat` (or from now, without `iat`) to `exp`, in seconds.
    pub max_lifetime_s: Option<u64>,
    /// The claim `azp` has to be one of them. Without any it is not looked at.
    pub authorized_parties: Vec<String>,
}

impl Issuer {
    /// An issuer with the default rules: 30 s leeway, `exp` required, `sub` names the user.
    pub fn new(name: &str, algorithms: Vec<Algorithm>, key: KeySource) -> Self {
        Self {
            name: name.into(),
            issuer: None,
            audiences: Vec::new(),
            algorithms,
            key,
            leeway_s: 30,
            required_claims: vec!["exp".to_owned()],
            subject_claim: "sub".to_owned(),
            max_lifetime_s: None,
            authorized_parties: Vec::new(),
        }
    }
}

/// Where the keys of an issuer come from.
#[derive(Clone)]
pub enum KeySource {
    /// The bytes of the text are the HMAC key.
    Secret(Secret),
    /// A public key: `PUBLIC KEY` or `RSA PUBLIC KEY`.
    Pem(String),
    /// A JSON Web Key Set (RFC 7517), fetched and cached.
    Jwks { url: String },
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(secret) => f.debug_tuple("Secret").field(secret).finish(),
            // Somebody will put a private key there one day, and be refused; it must not be shown on the way.
            Self::Pem(_) => f.write_str("Pem(…)"),
            // Neither user and password nor a key in the query.
            Self::Jwks { url } => {
                let url = url.rsplit('@').next().unwrap_or_default().split('?').next().unwrap_or_default();
                f.debug_struct("Jwks").field("url", &url).finish()
            }
        }
    }
}

/// The name of an issuer in the configuration; not the claim `iss`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IssuerName(Arc<str>);

impl IssuerName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for IssuerName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl Borrow<str> for IssuerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A signature algorithm (RFC 7518, section 3.1, and RFC 8037). `none` does not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Whether signer and verifier share one key.
    pub fn is_hmac(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// The name as it stands in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

/// The text names no algorithm known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such algorithm; known are HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
)]
pub struct UnknownAlgorithm;

impl<'de> serde::Deserialize<'de> for Algorithm {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
