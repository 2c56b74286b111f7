//! A key together with the algorithms it may be used with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm as Primitive, DecodingKey, crypto};

use super::fault::Fault;
use super::options::Algorithm;
use super::refusal::Refusal;
use super::secret::Secret;
use super::token::Token;

/// Invariant: each algorithm listed suits the kind of the key and was allowed by the issuer's options.
pub(super) struct Key {
    algorithms: Vec<Algorithm>,
    material: DecodingKey,
}

impl Key {
    pub fn from_secret(secret: &Secret, allowed: &[Algorithm]) -> Result<Self, Fault> {
        if secret.is_empty() {
            return Err(Fault::Empty);
        }
        if !allowed.iter().all(|algorithm| algorithm.is_hmac()) {
            return Err(Fault::SecretForPublicKeyAlgorithm);
        }
        Ok(Self { algorithms: allowed.to_vec(), material: DecodingKey::from_secret(secret.expose().as_bytes()) })
    }

    pub fn from_pem(pem: &str, allowed: &[Algorithm]) -> Result<Self, Fault> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(Fault::PrivateKey);
        }
        if !pem.contains("PUBLIC KEY-----") {
            return Err(Fault::UnusablePem);
        }
        if allowed.iter().any(|algorithm| algorithm.is_hmac()) {
            return Err(Fault::PublicKeyForHmac);
        }
        let pem = pem.as_bytes();
        let material = DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem))
            .map_err(|_| Fault::UnusablePem)?;
        // By way of a JWK, so that keys from a file pass the same checks as keys from the network.
        let jwk = Jwk::from_decoding_key(&material, None).map_err(|_| Fault::UnusablePem)?;
        let suitable = suitable(&jwk.algorithm).ok_or(Fault::UnusablePem)?;
        // What does not fit the key is left out, as with key sets: the default list names one algorithm of each kind of key.
        let algorithms: Vec<_> = allowed.iter().copied().filter(|algorithm| suitable.contains(algorithm)).collect();
        if algorithms.is_empty() {
            return Err(Fault::KeyWithoutAlgorithm);
        }
        Self::checked(&jwk, algorithms).ok_or(Fault::UnusablePem)
    }

    /// `None` if the key is of no use here: symmetric, for encryption, damaged, or for algorithms that are not allowed.
    /// A key that does not name its algorithm serves all allowed ones of its kind.
    pub fn from_jwk(jwk: &Jwk, allowed: &[Algorithm]) -> Option<Self> {
        match jwk.common.public_key_use {
            None | Some(PublicKeyUse::Signature) => {}
            Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)) => return None,
        }
        if jwk.common.key_operations.as_ref().is_some_and(|allowed| !allowed.contains(&KeyOperations::Verify)) {
            return None;
        }
        let mut algorithms = suitable(&jwk.algorithm)?.to_vec();
        algorithms.retain(|algorithm| allowed.contains(algorithm));
        if let Some(named) = jwk.common.key_algorithm {
            algorithms.retain(|algorithm| KeyAlgorithm::from(primitive(*algorithm)) == named);
        }
        if algorithms.is_empty() { None } else { Self::checked(jwk, algorithms) }
    }

    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    pub fn verify(&self, token: &Token<'_>) -> Result<(), Refusal> {
        if !self.serves(token.algorithm) {
            return Err(Refusal::Algorithm);
        }
        match crypto::verify(token.signature, token.signed, &self.material, primitive(token.algorithm)) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refusal::Signature),
        }
    }

    /// The crypto crates panic on some damaged keys (a short Ed25519 key, a modulus of zero), so sizes are checked first.
    fn checked(jwk: &Jwk, algorithms: Vec<Algorithm>) -> Option<Self> {
        let sound = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => rsa_is_sound(&bytes(&rsa.n)?, &bytes(&rsa.e)?),
            AlgorithmParameters::EllipticCurve(curve) => {
                let length = if curve.curve == EllipticCurve::P256 { 32 } else { 48 };
                bytes(&curve.x)?.len() == length && bytes(&curve.y)?.len() == length
            }
            AlgorithmParameters::OctetKeyPair(pair) => bytes(&pair.x)?.len() == 32,
            _ => false,
        };
        if !sound {
            return None;
        }
        let material = DecodingKey::from_jwk(jwk).ok()?;
        // A point beside the curve shows itself only when a verifier is made from it; an empty signature makes one.
        crypto::verify("", b"", &material, primitive(*algorithms.first()?)).ok()?;
        Some(Self { algorithms, material })
    }
}

/// What the kind of key can do at all. Symmetric keys are missing on purpose: what a server publishes is no secret.
fn suitable(parameters: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    match parameters {
        AlgorithmParameters::RSA(_) => Some(&[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Some(&[Es256]),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => Some(&[Es384]),
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Some(&[EdDsa]),
        _ => None,
    }
}

/// 2048 bits at least (RFC 7518, section 3.3), 4096 at most (a longer one costs the verifier too much), both odd.
fn rsa_is_sound(modulus: &[u8], exponent: &[u8]) -> bool {
    let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    (2048..=4096).contains(&bits) && is_odd(modulus) && exponent.len() <= 8 && is_odd(exponent) && exponent != [1]
}

fn bytes(encoded: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(encoded).ok()
}

fn primitive(algorithm: Algorithm) -> Primitive {
    match algorithm {
        Algorithm::Hs256 => Primitive::HS256,
        Algorithm::Hs384 => Primitive::HS384,
        Algorithm::Hs512 => Primitive::HS512,
        Algorithm::Rs256 => Primitive::RS256,
        Algorithm::Rs384 => Primitive::RS384,
        Algorithm::Rs512 => Primitive::RS512,
        Algorithm::Ps256 => Primitive::PS256,
        Algorithm::Ps384 => Primitive::PS384,
        Algorithm::Ps512 => Primitive::PS512,
        Algorithm::Es256 => Primitive::ES256,
        Algorithm::Es384 => Primitive::ES384,
        Algorithm::EdDsa => Primitive::EdDSA,
    }
}
