//! Options that are refused, and what they show of themselves.

use super::*;

fn faults(issuers: Vec<Issuer>) -> Vec<(String, Fault)> {
    let port: Arc<dyn FetchKeys> = Port::new();
    let faults = Authenticator::new(Options { issuers }, &port).err().expect("the options have faults");
    faults.into_iter().map(|OptionFault { at, fault }| (at, fault)).collect()
}

#[test]
fn a_key_that_does_not_fit_its_algorithms() {
    use Algorithm::{Es256, Es384, Hs256, Rs256};
    let url = |url: &str| KeySource::Jwks { url: url.to_owned() };
    let file = |name: &str| KeySource::Pem(pem(name));
    for (key, algorithms, fault) in [
        (KeySource::Secret("".into()), vec![Hs256], Fault::Empty),
        (KeySource::Secret(SECRET.into()), vec![Hs256, Rs256], Fault::SecretForPublicKeyAlgorithm),
        (file("rsa-1.pub"), vec![Hs256], Fault::PublicKeyForHmac),
        (file("rsa-1.pub"), vec![Rs256, Hs256], Fault::PublicKeyForHmac),
        (file("rsa-1.pub"), vec![Es256], Fault::KeyWithoutAlgorithm),
        (file("p256.pub"), vec![Es384], Fault::KeyWithoutAlgorithm),
        (file("ed25519.pub"), vec![Es256, Rs256], Fault::KeyWithoutAlgorithm),
        (file("rsa-1"), vec![Rs256], Fault::PrivateKey),
        (file("p256"), vec![Es256], Fault::PrivateKey),
        (file("rsa-1.cert"), vec![Rs256], Fault::UnusablePem),
        (file("rsa-short.pub"), vec![Rs256], Fault::UnusablePem),
        (KeySource::Pem(pem("rsa-1.pub").replace("MII", "AAA")), vec![Rs256], Fault::UnusablePem),
        (KeySource::Pem(SECRET.to_owned()), vec![Rs256], Fault::UnusablePem),
        (KeySource::Pem(String::new()), vec![Rs256], Fault::UnusablePem),
        (url("https://issuer.example/jwks.json"), vec![Hs256], Fault::PublicKeyForHmac),
        (url("file:///etc/passwd"), vec![Rs256], Fault::BadUrl),
        (url("https://user:pass@issuer.example/"), vec![Rs256], Fault::BadUrl),
        (url("https://"), vec![Rs256], Fault::BadUrl),
        (url(""), vec![Rs256], Fault::BadUrl),
    ] {
        let label = format!("{key:?} {algorithms:?}");
        assert_eq!(faults(vec![Issuer::new("x", algorithms, key)]), [("issuers[0].key".to_owned(), fault)], "{label}");
    }
}

#[test]
fn all_faults_come_at_once() {
    let mut first = Issuer::new("same", vec![], KeySource::Secret("".into()));
    first.audiences = vec![String::new()];
    let second = Issuer::new("same", vec![Algorithm::Rs256], KeySource::Pem("x".to_owned()));
    let expected = [
        ("issuers[0].audiences", Fault::Empty),
        ("issuers[0].algorithms", Fault::Empty),
        ("issuers[0].key", Fault::Empty),
        ("issuers[1].name", Fault::Duplicate),
        ("issuers[1].key", Fault::UnusablePem),
    ];
    assert_eq!(faults(vec![first, second]), expected.map(|(at, fault)| (at.to_owned(), fault)));
}

#[test]
fn a_list_with_one_algorithm_of_each_kind_serves_any_key() {
    use Algorithm::{EdDsa, Es256, Rs256};
    for name in ["rsa-1.pub", "p256.pub", "ed25519.pub"] {
        let issuer = Issuer::new("x", vec![Rs256, Es256, EdDsa], KeySource::Pem(pem(name)));
        authenticator(vec![issuer], &Port::new());
    }
}

#[test]
fn rsa_keys_in_the_older_form_are_read_too() {
    let issuer = Issuer::new("x", vec![Algorithm::Rs256], KeySource::Pem(pem("rsa-1.pkcs1.pub")));
    authenticator(vec![issuer], &Port::new());
}

#[test]
fn debug_output_shows_no_secret() {
    let private = pem("rsa-1");
    let line = private.lines().nth(3).unwrap();
    let options = Options {
        issuers: vec![
            hs256_issuer(),
            Issuer::new("b", vec![Algorithm::Rs256], KeySource::Pem(private.clone())),
            Issuer::new(
                "c",
                vec![Algorithm::Rs256],
                KeySource::Jwks { url: "https://u:hunter2@i.example/?k=hunter3".to_owned() },
            ),
        ],
    };
    let keys = [ApiKey { name: "n".to_owned(), key: SECRET.into() }];
    let port: Arc<dyn FetchKeys> = Port::new();
    let shown = format!("{options:?} {options:#?} {keys:?}");
    let shown = format!("{shown} {:?}", Authenticator::new(options, &port).err().unwrap());
    for secret in [SECRET, line, "hunter2", "hunter3"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("Secret(…)"));
}
