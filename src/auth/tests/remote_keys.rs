//! Key sets: rotation, floods, failures, and keys of all kinds.

use super::*;

fn claims() -> Value {
    json!({"sub": "u", "exp": NOW_S + 1_000_000})
}

fn rs_issuer() -> Vec<Issuer> {
    vec![jwks_issuer(vec![Algorithm::Rs256])]
}

async fn at(authenticator: &Authenticator, token: &str, now_ms: u64) -> Result<(), Refusal> {
    authenticator.authenticate(token, authenticator.issuers(), now_ms).await.map(|_| ())
}

#[tokio::test]
async fn an_unknown_key_fetches_the_set_again_and_old_keys_go() {
    let port = Port::new();
    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    let authenticator = authenticator(rs_issuer(), &port);
    let (old, new) = (rs256("one", "rsa-1", &claims()), rs256("two", "rsa-2", &claims()));
    assert_eq!(at(&authenticator, &old, NOW_MS).await, Ok(()));
    assert_eq!(at(&authenticator, &old, NOW_MS + 1).await, Ok(()));
    assert_eq!(port.fetches(), 1, "a known key needs no fetch");

    port.serve(&[jwk("rsa-2", "two", &json!({}))]);
    assert_eq!(at(&authenticator, &new, NOW_MS + FETCH_INTERVAL_MS - 1).await, Err(Refusal::KeyUnknown));
    assert_eq!(at(&authenticator, &new, NOW_MS + FETCH_INTERVAL_MS).await, Ok(()));
    assert_eq!(at(&authenticator, &old, NOW_MS + FETCH_INTERVAL_MS + 1).await, Err(Refusal::KeyUnknown));
    assert_eq!(port.fetches(), 2);
}

#[tokio::test]
async fn a_key_that_was_taken_back_does_not_live_on() {
    let port = Port::new();
    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    let authenticator = authenticator(rs_issuer(), &port);
    let token = rs256("one", "rsa-1", &claims());
    assert_eq!(at(&authenticator, &token, NOW_MS).await, Ok(()));
    port.serve(&[]);
    assert_eq!(at(&authenticator, &token, NOW_MS + 599_999).await, Ok(()));
    assert_eq!(at(&authenticator, &token, NOW_MS + 600_000).await, Err(Refusal::KeyUnknown));
}

#[tokio::test]
async fn many_at_once_share_one_fetch() {
    let port = Port::new();
    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    let authenticator = authenticator(rs_issuer(), &port);
    let token = rs256("one", "rsa-1", &claims());
    let all = futures::future::join_all((0..100).map(|_| at(&authenticator, &token, NOW_MS))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(port.fetches(), 1);
}

#[tokio::test]
async fn a_fetch_is_finished_by_those_who_wait_when_its_starter_left() {
    let port = Port::new();
    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    let authenticator = authenticator(rs_issuer(), &port);
    let token = rs256("one", "rsa-1", &claims());
    assert!(at(&authenticator, &token, NOW_MS).now_or_never().is_none(), "left while the fetch was under way");
    assert_eq!(at(&authenticator, &token, NOW_MS + 1).await, Ok(()));
    assert_eq!(port.fetches(), 1);
}

#[tokio::test]
async fn a_fetch_that_all_left_is_replaced_after_the_interval() {
    let port = Port::new();
    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    let authenticator = authenticator(rs_issuer(), &port);
    let token = rs256("one", "rsa-1", &claims());
    assert!(at(&authenticator, &token, NOW_MS).now_or_never().is_none());
    assert_eq!(at(&authenticator, &token, NOW_MS + FETCH_INTERVAL_MS).await, Ok(()));
    assert_eq!(port.fetches(), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_one_fetch_per_interval() {
    let port = Port::new();
    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    let authenticator = authenticator(rs_issuer(), &port);
    let good = rs256("one", "rsa-1", &claims());
    let (payload, signature) = good.split_once('.').unwrap().1.rsplit_once('.').unwrap();
    for attempt in 0..10_000_u64 {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "RS256", "kid": format!("../{attempt}")}).to_string());
        let token = format!("{header}.{payload}.{signature}");
        // 10 ms apart: 100 s in all, so four intervals are begun.
        assert_eq!(at(&authenticator, &token, NOW_MS + attempt * 10).await, Err(Refusal::KeyUnknown));
    }
    assert_eq!(port.fetches(), 4);
    assert_eq!(at(&authenticator, &good, NOW_MS + 100_000).await, Ok(()));
}

#[tokio::test]
async fn cached_keys_serve_on_while_the_endpoint_is_down() {
    let port = Port::new();
    let authenticator = authenticator(rs_issuer(), &port);
    let (known, unknown) = (rs256("one", "rsa-1", &claims()), rs256("two", "rsa-2", &claims()));
    assert_eq!(at(&authenticator, &known, NOW_MS).await, Err(Refusal::KeysUnavailable));
    assert_eq!(at(&authenticator, &known, NOW_MS + 29_999).await, Err(Refusal::KeysUnavailable));
    assert_eq!(port.fetches(), 1, "a failure closes the gate too");

    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    assert_eq!(at(&authenticator, &known, NOW_MS + 30_000).await, Ok(()));

    port.fail();
    let later_ms = NOW_MS + 700_000;
    assert_eq!(at(&authenticator, &known, later_ms).await, Ok(()));
    assert_eq!(at(&authenticator, &unknown, later_ms + 1).await, Err(Refusal::KeysUnavailable));
    *port.answer.lock().unwrap() = Ok("<html>Service unavailable</html>".to_owned());
    assert_eq!(at(&authenticator, &known, later_ms + 30_000).await, Ok(()));
    *port.answer.lock().unwrap() = Ok(" ".repeat(KEYS_BYTES_MAX) + r#"{"keys":[]}"#);
    assert_eq!(at(&authenticator, &known, later_ms + 60_000).await, Ok(()));
    assert_eq!(port.fetches(), 5);
}

#[tokio::test]
async fn a_clock_set_back_does_not_close_the_gate() {
    let port = Port::new();
    let authenticator = authenticator(rs_issuer(), &port);
    let token = rs256("one", "rsa-1", &claims());
    assert_eq!(at(&authenticator, &token, NOW_MS).await, Err(Refusal::KeysUnavailable));
    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    assert_eq!(at(&authenticator, &token, NOW_MS - 3_600_000).await, Ok(()));
}

#[tokio::test]
async fn warming_fetches_ahead_and_names_who_is_missing() {
    let port = Port::new();
    let authenticator = authenticator(rs_issuer(), &port);
    assert_eq!(authenticator.warm(NOW_MS).await, Err(vec!["remote".into()]));
    port.serve(&[jwk("rsa-1", "one", &json!({}))]);
    assert_eq!(authenticator.warm(NOW_MS + 30_000).await, Ok(()));
    assert_eq!(at(&authenticator, &rs256("one", "rsa-1", &claims()), NOW_MS + 30_001).await, Ok(()));
    assert_eq!(port.fetches(), 2);
}

/// Whether the only key of a set lets a token in that was signed with the same key.
async fn accepts(key: Value, token: &str) -> Result<(), Refusal> {
    let port = Port::new();
    port.serve(&[json!({"kty": "unheard-of"}), json!(7), key]);
    let all = vec![Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
    at(&authenticator(vec![jwks_issuer(all)], &port), token, NOW_MS).await
}

#[tokio::test]
async fn a_key_serves_only_what_it_is_for() {
    let token = rs256("k", "rsa-1", &claims());
    for extra in
        [json!({}), json!({"alg": "RS256", "use": "sig"}), json!({"key_ops": ["verify"]}), json!({"x5t": "AA"})]
    {
        assert_eq!(accepts(jwk("rsa-1", "k", &extra), &token).await, Ok(()), "{extra}");
    }
    for extra in [
        json!({"use": "enc"}),
        json!({"key_ops": ["encrypt"]}),
        json!({"alg": "RS512"}),
        json!({"alg": "RSA-OAEP"}),
        json!({"alg": "HS256"}),
        json!({"kid": "K"}),
        json!({"kid": null}),
    ] {
        assert_eq!(accepts(jwk("rsa-1", "k", &extra), &token).await, Err(Refusal::KeyUnknown), "{extra}");
    }
    assert_eq!(accepts(jwk("rsa-1", "k", &json!({"alg": "PS256"})), &token).await, Err(Refusal::Algorithm));
    assert_eq!(accepts(jwk("p256", "k", &json!({})), &token).await, Err(Refusal::Algorithm));
    assert_eq!(accepts(jwk("rsa-2", "k", &json!({})), &token).await, Err(Refusal::Signature));
}

#[tokio::test]
async fn keys_of_other_kinds_work_too() {
    use jsonwebtoken::Algorithm as Primitive;
    let keys = [
        ("p256", "ES256", EncodingKey::from_ec_pem(pem("p256").as_bytes()).unwrap(), Primitive::ES256),
        ("p384", "ES384", EncodingKey::from_ec_pem(pem("p384").as_bytes()).unwrap(), Primitive::ES384),
        ("ed25519", "EdDSA", EncodingKey::from_ed_pem(pem("ed25519").as_bytes()).unwrap(), Primitive::EdDSA),
        ("rsa-1", "PS256", EncodingKey::from_rsa_pem(pem("rsa-1").as_bytes()).unwrap(), Primitive::PS256),
    ];
    for (fixture, name, key, primitive) in keys {
        let token = signed(&json!({"alg": name, "kid": "k"}).to_string(), &claims().to_string(), &key, primitive);
        assert_eq!(accepts(jwk(fixture, "k", &json!({})), &token).await, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn damaged_keys_are_left_out_and_harm_nobody() {
    let token = rs256("k", "rsa-1", &claims());
    let zeros = URL_SAFE_NO_PAD.encode([0; 256]);
    let damaged = [
        jwk("ed25519", "k", &json!({"x": "AAAA"})),
        jwk("ed25519", "k", &json!({"x": ""})),
        jwk("p256", "k", &json!({"x": "AAAA"})),
        jwk("p256", "k", &json!({"x": URL_SAFE_NO_PAD.encode([1; 32])})),
        jwk("p256", "k", &json!({"crv": "P-521"})),
        jwk("p256", "k", &json!({"crv": "secp256k1"})),
        jwk("rsa-1", "k", &json!({"n": ""})),
        jwk("rsa-1", "k", &json!({"n": zeros})),
        jwk("rsa-1", "k", &json!({"n": "//8"})),
        jwk("rsa-1", "k", &json!({"n": URL_SAFE_NO_PAD.encode([255; 1024])})),
        jwk("rsa-1", "k", &json!({"e": ""})),
        jwk("rsa-1", "k", &json!({"e": "AQ"})),
        jwk("rsa-1", "k", &json!({"e": "AA"})),
        jwk("rsa-1", "k", &json!({"e": "!"})),
        json!({"kty": "oct", "kid": "k", "k": URL_SAFE_NO_PAD.encode(SECRET)}),
    ];
    for key in damaged {
        assert_eq!(accepts(key.clone(), &token).await, Err(Refusal::KeyUnknown), "{key}");
    }
}

#[tokio::test]
async fn without_a_key_id_the_only_fitting_key_serves() {
    let key = EncodingKey::from_rsa_pem(pem("rsa-1").as_bytes()).unwrap();
    let token = signed(r#"{"alg":"RS256"}"#, &claims().to_string(), &key, jsonwebtoken::Algorithm::RS256);
    let port = Port::new();
    let verdict = async |keys: &[Value]| {
        port.serve(keys);
        at(&authenticator(vec![jwks_issuer(vec![Algorithm::Rs256, Algorithm::Es256])], &port), &token, NOW_MS).await
    };
    let (one, two, curve) =
        (jwk("rsa-1", "1", &json!({})), jwk("rsa-2", "2", &json!({})), jwk("p256", "3", &json!({})));
    assert_eq!(verdict(&[curve.clone(), one.clone()]).await, Ok(()));
    assert_eq!(verdict(&[jwk("rsa-1", "", &json!({"kid": null}))]).await, Ok(()));
    assert_eq!(verdict(&[one, two]).await, Err(Refusal::KeyUnknown));
    assert_eq!(verdict(&[curve]).await, Err(Refusal::KeyUnknown));
}
