//! From a token to an identity.

use std::collections::HashSet;
use std::sync::Arc;

use super::claims::{Identity, check};
use super::fault::{Fault, OptionFault};
use super::jwks::{FetchKeys, Jwks};
use super::key::Key;
use super::options::{Issuer, IssuerName, KeySource, Options};
use super::refusal::Refusal;
use super::token::Token;

/// All issuers with their keys. One for the process, shared by all workers.
pub struct Authenticator {
    issuers: Vec<Trusted>,
    names: Vec<IssuerName>,
}

struct Trusted {
    rules: Issuer,
    keys: Keys,
}

enum Keys {
    Fixed(Key),
    Remote(Jwks),
}

impl Authenticator {
    /// `port` fetches key sets; it is not called before the first token or [`Authenticator::warm`].
    ///
    /// # Errors
    /// All faults of the options at once.
    pub fn new(options: Options, port: &Arc<dyn FetchKeys>) -> Result<Self, Vec<OptionFault>> {
        let mut faults = Vec::new();
        let mut names = HashSet::new();
        let mut issuers = Vec::new();
        for (index, rules) in options.issuers.into_iter().enumerate() {
            let at = format!("issuers[{index}]");
            if !names.insert(rules.name.clone()) {
                faults.push(OptionFault::new(format!("{at}.name"), Fault::Duplicate));
            }
            let known = faults.len();
            faults.extend(empty_texts(&rules, &at));
            match Keys::new(&rules, port) {
                Ok(keys) if faults.len() == known => issuers.push(Trusted { rules, keys }),
                Ok(_) => {}
                Err(fault) => faults.push(OptionFault::new(format!("{at}.key"), fault)),
            }
        }
        if faults.is_empty() {
            let names = issuers.iter().map(|trusted| trusted.rules.name.clone()).collect();
            Ok(Self { issuers, names })
        } else {
            Err(faults)
        }
    }

    /// The names of all issuers, to allow them all.
    pub fn issuers(&self) -> &[IssuerName] {
        &self.names
    }

    /// Checks a token against the issuers in `allowed`; an empty list allows none.
    ///
    /// Everything but the lookup of a remote key is computed at once; that lookup waits for the network at the most once
    /// per [`super::FETCH_INTERVAL_MS`].
    ///
    /// # Errors
    /// The refusal of the issuer that came nearest to accepting the token.
    pub async fn authenticate(&self, token: &str, allowed: &[IssuerName], now_ms: u64) -> Result<Identity, Refusal> {
        let token = Token::parse(token)?;
        let mut nearest: Option<(Progress, Refusal)> = None;
        for trusted in self.candidates(&token, allowed)? {
            let failed = match trusted.keys.verify(&token, now_ms).await {
                Ok(()) => match check(&trusted.rules, &token.claims, now_ms / 1000) {
                    Ok(identity) => return Ok(identity),
                    Err(refusal) => (Progress::Verified, refusal),
                },
                Err(refusal @ Refusal::KeysUnavailable) => (Progress::Unknown, refusal),
                Err(refusal) => (Progress::NotVerified, refusal),
            };
            if nearest.is_none_or(|(progress, _)| failed.0 > progress) {
                nearest = Some(failed);
            }
        }
        Err(nearest.map_or(Refusal::Issuer, |(_, refusal)| refusal))
    }

    /// Fetches all remote key sets that are not there yet, so that the first tokens need not wait.
    ///
    /// # Errors
    /// The names of the issuers whose keys could not be had; they are tried again when a token needs them.
    pub async fn warm(&self, now_ms: u64) -> Result<(), Vec<IssuerName>> {
        let mut missing = Vec::new();
        for trusted in &self.issuers {
            if let Keys::Remote(jwks) = &trusted.keys
                && jwks.warm(now_ms).await.is_err()
            {
                missing.push(trusted.rules.name.clone());
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }

    /// The unverified `iss` picks the candidates and is checked again after the signature. An issuer without an `iss` of
    /// its own is only tried when no other claims the token.
    fn candidates(&self, token: &Token<'_>, allowed: &[IssuerName]) -> Result<Vec<&Trusted>, Refusal> {
        let allowed = || self.issuers.iter().filter(|trusted| allowed.contains(&trusted.rules.name));
        let mut candidates: Vec<_> = match token.issuer() {
            Some(said) => allowed().filter(|trusted| trusted.rules.issuer.as_deref() == Some(said)).collect(),
            None => Vec::new(),
        };
        if candidates.is_empty() {
            candidates = allowed().filter(|trusted| trusted.rules.issuer.is_none()).collect();
        }
        if candidates.is_empty() {
            return Err(Refusal::Issuer);
        }
        candidates.retain(|trusted| trusted.rules.algorithms.contains(&token.algorithm));
        if candidates.is_empty() { Err(Refusal::Algorithm) } else { Ok(candidates) }
    }
}

/// How far a token came with one issuer; later is nearer to acceptance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    NotVerified,
    Unknown,
    Verified,
}

impl Keys {
    fn new(rules: &Issuer, port: &Arc<dyn FetchKeys>) -> Result<Self, Fault> {
        match &rules.key {
            KeySource::Secret(secret) => Key::from_secret(secret, &rules.algorithms).map(Self::Fixed),
            KeySource::Pem(pem) => Key::from_pem(pem, &rules.algorithms).map(Self::Fixed),
            KeySource::Jwks { url } => {
                let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or(Fault::BadUrl)?;
                if host.is_empty() || host.contains('@') || host.contains(char::is_whitespace) {
                    return Err(Fault::BadUrl);
                }
                if rules.algorithms.iter().any(|algorithm| algorithm.is_hmac()) {
                    return Err(Fault::PublicKeyForHmac);
                }
                Ok(Self::Remote(Jwks::new(url, &rules.algorithms, Arc::clone(port))))
            }
        }
    }

    async fn verify(&self, token: &Token<'_>, now_ms: u64) -> Result<(), Refusal> {
        match self {
            Self::Fixed(key) => key.verify(token),
            Self::Remote(jwks) => jwks.key(token.kid.as_deref(), token.algorithm, now_ms).await?.verify(token),
        }
    }
}

/// A text that is there but empty comes from an unset variable, and would accept what nobody meant to accept.
fn empty_texts(rules: &Issuer, at: &str) -> Vec<OptionFault> {
    let is_any_empty = |texts: &[String]| texts.iter().any(String::is_empty);
    let empty = [
        ("name", rules.name.as_str().is_empty()),
        ("issuer", rules.issuer.as_ref().is_some_and(String::is_empty)),
        ("audiences", is_any_empty(&rules.audiences)),
        ("algorithms", rules.algorithms.is_empty()),
        ("required_claims", is_any_empty(&rules.required_claims)),
        ("subject_claim", rules.subject_claim.is_empty()),
        ("authorized_parties", is_any_empty(&rules.authorized_parties)),
    ];
    let faults = empty.into_iter().filter(|(_, is_empty)| *is_empty);
    faults.map(|(field, _)| OptionFault::new(format!("{at}.{field}"), Fault::Empty)).collect()
}
