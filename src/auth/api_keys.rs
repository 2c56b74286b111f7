//! API keys of publishers.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::fault::{Fault, OptionFault};
use super::secret::Secret;

/// A key as the options give it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// How logs and metrics call the publisher.
    pub name: String,
    /// The key itself, or `sha256:` and its digest in hexadecimal digits, so that the configuration need not hold the key.
    pub key: Secret,
}

/// The keys that publishers may present. Only digests are kept.
#[derive(Default)]
pub struct ApiKeys(Vec<(String, [u8; 32])>);

impl ApiKeys {
    /// # Errors
    /// All faults at once: empty keys or names, the same name or key twice, a damaged digest.
    pub fn new(keys: &[ApiKey]) -> Result<Self, Vec<OptionFault>> {
        let mut faults = Vec::new();
        let mut known: Vec<(String, [u8; 32])> = Vec::new();
        for (index, ApiKey { name, key }) in keys.iter().enumerate() {
            let mut fault = |field, fault| faults.push(OptionFault::new(format!("[{index}].{field}"), fault));
            if name.is_empty() {
                fault("name", Fault::Empty);
            } else if known.iter().any(|(other, _)| other == name) {
                fault("name", Fault::Duplicate);
            }
            match digest_of(key) {
                Ok(digest) if known.iter().any(|(_, other)| *other == digest) => fault("key", Fault::Duplicate),
                Ok(digest) => known.push((name.clone(), digest)),
                Err(reason) => fault("key", reason),
            }
        }
        if faults.is_empty() { Ok(Self(known)) } else { Err(faults) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the key presented, if it is one of ours. All keys are compared, in a time that does not depend on them.
    pub fn identify(&self, presented: &str) -> Option<&str> {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let mut found = None;
        for (name, known) in &self.0 {
            if bool::from(known.ct_eq(&digest)) {
                found = Some(name.as_str());
            }
        }
        found
    }
}

fn digest_of(key: &Secret) -> Result<[u8; 32], Fault> {
    if key.is_empty() {
        return Err(Fault::Empty);
    }
    let Some(digits) = key.expose().strip_prefix("sha256:") else {
        return Ok(Sha256::digest(key.expose().as_bytes()).into());
    };
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Fault::BadDigest);
    }
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).map_err(|_| Fault::BadDigest)?;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, key: &str) -> ApiKey {
        ApiKey { name: name.to_owned(), key: key.into() }
    }

    #[test]
    fn a_key_is_known_by_itself_or_by_its_digest() {
        let digest = "sha256:2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B"; // of "secret"
        let keys = ApiKeys::new(&[key("orders", "k-1"), key("billing", digest)]).unwrap();
        assert_eq!(keys.identify("k-1"), Some("orders"));
        assert_eq!(keys.identify("secret"), Some("billing"));
        for wrong in ["", "k-", "k-11", digest] {
            assert_eq!(keys.identify(wrong), None);
        }
        assert_eq!(ApiKeys::default().identify(""), None);
    }

    #[test]
    fn faults_come_at_once_and_without_the_key() {
        let keys = [key("a", "k-1"), key("a", "k-1"), key("", ""), key("d", "sha256:zz")];
        let faults = ApiKeys::new(&keys).err().unwrap();
        let expected = [
            ("[1].name", Fault::Duplicate),
            ("[1].key", Fault::Duplicate),
            ("[2].name", Fault::Empty),
            ("[2].key", Fault::Empty),
            ("[3].key", Fault::BadDigest),
        ];
        assert_eq!(faults, expected.map(|(at, fault)| OptionFault::new(at, fault)));
        assert!(!format!("{keys:?} {faults:?}").contains("k-1"));
    }
}
