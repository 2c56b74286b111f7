//! Settings of who may come in.

use serde::Deserialize;

use crate::auth::{Algorithm, Secret};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cors {
    /// Origins in lower case, or `*`.
    pub origins: Vec<String>,
    pub reflect: bool,
    pub credentials: bool,
    pub max_age_s: u64,
    pub check_websocket_origin: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Auth {
    /// Names are unique.
    pub issuers: Vec<Issuer>,
}

/// Who signs tokens, and what a token must be like.
#[derive(Debug, Clone, Deserialize)]
pub struct Issuer {
    pub name: String,
    /// The `iss` claim.
    pub issuer: String,
    /// Any one of them must be in `aud`; empty means that it is not checked.
    pub audiences: Vec<String>,
    /// They fit the kind of key: HS with a secret, others with a public key.
    pub algorithms: Vec<Algorithm>,
    #[serde(flatten)]
    pub key: IssuerKey,
    pub leeway_s: u64,
    pub required_claims: Vec<String>,
    pub subject_claim: String,
    pub max_lifetime_s: Option<u64>,
    /// Empty means that `azp` is not checked.
    pub authorized_parties: Vec<String>,
}

/// What an issuer's tokens are verified with.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "IssuerKeys")]
pub enum IssuerKey {
    Secret(Secret),
    /// PEM text of a public key.
    Pem(String),
    /// The URL of a JSON Web Key Set.
    Jwks(String),
}

#[derive(Deserialize)]
struct IssuerKeys {
    secret: Option<Secret>,
    pem: Option<String>,
    jwks_url: Option<String>,
}

impl TryFrom<IssuerKeys> for IssuerKey {
    type Error = &'static str;

    fn try_from(keys: IssuerKeys) -> Result<Self, Self::Error> {
        match (keys.secret, keys.pem, keys.jwks_url) {
            (Some(secret), None, None) => Ok(Self::Secret(secret)),
            (None, Some(pem), None) => Ok(Self::Pem(pem)),
            (None, None, Some(url)) => Ok(Self::Jwks(url)),
            _ => Err("an issuer has exactly one key"),
        }
    }
}
