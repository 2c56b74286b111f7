//! Tokens that are not let in.

use super::*;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn good() -> Value {
    json!({"sub": "u", "exp": NOW_S + 60})
}

async fn refusal(token: &str) -> Refusal {
    check(vec![hs256_issuer()], token).await.map(|_| ()).expect_err(&format!("{token:.80} was accepted"))
}

#[tokio::test]
async fn what_is_no_token() {
    let good = hs256(HEADER, &good().to_string());
    let parts: Vec<_> = good.split('.').collect();
    let tokens = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "not a token".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.x"),
        format!("{good}.{}.{}", parts[1], parts[2]),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!(" {good}"),
        format!("{}.{}.", parts[1], parts[1]),
        "é".repeat(100),
        "x.".repeat(5_000),
        format!("{}.{}.{}", parts[0], "A".repeat(TOKEN_BYTES_MAX), parts[2]),
    ];
    for token in tokens {
        assert_eq!(refusal(&token).await, Refusal::Malformed, "{token:.80}");
    }
}

#[tokio::test]
async fn a_signature_that_does_not_match() {
    let good = hs256(HEADER, &good().to_string());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = hs256(HEADER, &json!({"sub": "admin", "exp": NOW_S + 60}).to_string());
    let payload = other.split('.').nth(1).unwrap();
    let tokens = [
        format!("{signed}."),
        format!("{signed}.AAAA"),
        format!("{signed}.{}", &signature[..signature.len() - 4]),
        format!("{signed}.{signature}AAAA"),
        format!("{signed}.{signature}="),
        format!("{signed}.!!!!"),
        format!("{}.{payload}.{signature}", good.split('.').next().unwrap()),
        sign_hs256(&"another secret".into(), self::good().as_object().unwrap()),
        sign_hs256(&"".into(), self::good().as_object().unwrap()),
    ];
    for token in tokens {
        assert_eq!(refusal(&token).await, Refusal::Signature, "{token}");
    }
}

#[tokio::test]
async fn a_header_with_tricks() {
    for header in [
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/jwks.json"}"#,
        r#"{"alg":"HS256","x5u":"https://evil.example/x.pem"}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#,
        r#"{"alg":"HS256","typ":"logout+jwt"}"#,
        r#"{"alg":"HS256","typ":7}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"HS256","kid":7}"#,
        r#"["HS256"]"#,
        "",
    ] {
        assert_eq!(refusal(&hs256(header, &good().to_string())).await, Refusal::Malformed, "{header}");
    }
    let long_kid = json!({"alg": "HS256", "kid": "k".repeat(129)}).to_string();
    assert_eq!(refusal(&hs256(&long_kid, &good().to_string())).await, Refusal::Malformed);
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        let header = json!({"alg": "HS256", "typ": typ}).to_string();
        assert!(check(vec![hs256_issuer()], &hs256(&header, &good().to_string())).await.is_ok(), "{typ}");
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_listed() {
    for name in ["none", "None", "NONE", "nOnE", "hs256", "HS256 ", "HS384", "HS512", "RS256", "ES512", ""] {
        let token = hs256(&json!({ "alg": name }).to_string(), &good().to_string());
        assert_eq!(refusal(&token).await, Refusal::Algorithm, "{name}");
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(refusal(&unsigned).await, Refusal::Algorithm, "{name} unsigned");
    }
}

#[tokio::test]
async fn a_public_key_misused_as_a_shared_secret() {
    let public = pem("rsa-1.pub");
    let issuer = Issuer::new("rsa", vec![Algorithm::Rs256], KeySource::Pem(public.clone()));
    for secret in [public.as_str(), public.trim_end()] {
        let token = sign_hs256(&secret.into(), good().as_object().unwrap());
        assert_eq!(check(vec![issuer.clone()], &token).await.unwrap_err(), Refusal::Algorithm);
    }
    // The header claims the issuer's algorithm, the signature is an HMAC.
    let key = EncodingKey::from_secret(public.as_bytes());
    let token = signed(r#"{"alg":"RS256"}"#, &good().to_string(), &key, jsonwebtoken::Algorithm::HS256);
    assert_eq!(check(vec![issuer], &token).await.unwrap_err(), Refusal::Signature);
}

#[tokio::test]
async fn claims_of_the_wrong_form() {
    for payload in [
        r#"["sub"]"#.to_owned(),
        "null".to_owned(),
        "\"text\"".to_owned(),
        String::new(),
        format!(r#"{{"sub":"u","sub":"admin","exp":{}}}"#, NOW_S + 60),
        format!(r#"{{"sub":"u","exp":1,"exp":{}}}"#, NOW_S + 60),
        format!(r#"{{"sub":"u","exp":{},"a":{{"b":1,"b":2}}}}"#, NOW_S + 60),
        "[".repeat(4_000),
    ] {
        assert_eq!(refusal(&hs256(HEADER, &payload)).await, Refusal::Malformed, "{payload:.60}");
    }
    let changes = [
        ("exp", json!((NOW_S + 60).to_string())),
        ("exp", json!(1_800_000_060.5)),
        ("exp", json!(1.8e10)),
        ("exp", json!(-1)),
        ("exp", json!(null)),
        ("exp", json!([NOW_S + 60])),
        ("exp", json!(true)),
        ("nbf", json!("0")),
        ("nbf", json!(-5)),
        ("nbf", json!(null)),
        ("iat", json!("0")),
        ("iat", json!(0.5)),
        ("iss", json!(["https://a.example"])),
        ("aud", json!(7)),
        ("aud", json!(["ok", 7])),
        ("jti", json!(7)),
        ("jti", json!("")),
        ("sub", json!(null)),
        ("sub", json!("")),
        ("sub", json!(["u"])),
        ("sub", json!(1.5)),
        ("sub", json!(true)),
        ("sub", json!("a\u{0}b")),
        ("sub", json!("a\r\nb")),
        ("sub", json!("x".repeat(256))),
    ];
    for (name, value) in changes {
        let mut claims = good();
        claims[name] = value.clone();
        assert_eq!(refusal(&hs256(HEADER, &claims.to_string())).await, Refusal::Claims, "{name} {value}");
    }
    for name in ["sub", "exp"] {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(refusal(&hs256(HEADER, &claims.to_string())).await, Refusal::Claims, "without {name}");
    }
}

#[tokio::test]
async fn a_token_out_of_its_time() {
    for (claims, expected) in [
        (json!({"exp": NOW_S - 30}), Refusal::Expired),
        (json!({"exp": 0}), Refusal::Expired),
        (json!({"nbf": NOW_S + 31}), Refusal::NotYetValid),
        (json!({"iat": NOW_S + 31}), Refusal::NotYetValid),
        (json!({"nbf": u64::MAX}), Refusal::NotYetValid),
    ] {
        let mut all = good();
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        assert_eq!(refusal(&hs256(HEADER, &all.to_string())).await, expected, "{claims}");
    }
    let far = hs256(HEADER, &json!({"sub": "u", "exp": u64::MAX}).to_string());
    assert!(check(vec![hs256_issuer()], &far).await.is_ok(), "no overflow");
}

#[tokio::test]
async fn a_lifetime_beyond_the_limit() {
    let mut issuer = hs256_issuer();
    issuer.max_lifetime_s = Some(86_400);
    issuer.required_claims.clear();
    for (claims, accepted) in [
        (json!({"sub": "u", "exp": NOW_S + 86_400}), true),
        (json!({"sub": "u", "exp": NOW_S + 86_401}), false),
        (json!({"sub": "u", "exp": NOW_S + 9, "iat": NOW_S - 86_400}), false),
        (json!({"sub": "u", "exp": u64::MAX, "iat": 0}), false),
        (json!({"sub": "u"}), false),
    ] {
        let result = check(vec![issuer.clone()], &hs256(HEADER, &claims.to_string())).await.map(|_| ());
        assert_eq!(result, if accepted { Ok(()) } else { Err(Refusal::Lifetime) }, "{claims}");
    }
}

#[tokio::test]
async fn another_issuer_audience_or_a_missing_claim() {
    let mut issuer = hs256_issuer();
    issuer.issuer = Some("https://a.example".to_owned());
    issuer.audiences = vec!["one".to_owned(), "two".to_owned()];
    issuer.required_claims.push("org.id".to_owned());
    let base = json!({"sub": "u", "exp": NOW_S + 9, "iss": "https://a.example", "aud": "one", "org": {"id": 1}});
    let verdict = async |name: &str, value: Value| {
        let mut claims = base.clone();
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| *value != "gone");
        check(vec![issuer.clone()], &hs256(HEADER, &claims.to_string())).await.map(|_| ())
    };
    assert_eq!(verdict("aud", json!(["x", "two"])).await, Ok(()));
    for audience in [json!("three"), json!("on"), json!(""), json!([]), json!(["x"]), json!("gone")] {
        assert_eq!(verdict("aud", audience.clone()).await, Err(Refusal::Audience), "{audience}");
    }
    for said in [json!("https://a.example/"), json!("HTTPS://a.example"), json!(""), json!("gone")] {
        assert_eq!(verdict("iss", said.clone()).await, Err(Refusal::Issuer), "{said}");
    }
    for organization in [json!("gone"), json!({}), json!({"id": null}), json!("text")] {
        assert_eq!(verdict("org", organization.clone()).await, Err(Refusal::Claims), "{organization}");
    }
}

#[test]
fn what_a_peer_is_told_is_the_same_for_all_forgeries() {
    let mut classes = std::collections::HashSet::new();
    for refusal in Refusal::ALL {
        assert!(classes.insert(refusal.class()));
        let told = (refusal.code().as_str(), refusal.message());
        let expected = match refusal {
            Refusal::Missing => ("AUTH_REQUIRED", "Authentication required"),
            Refusal::Expired => ("AUTH_EXPIRED", "Token expired"),
            Refusal::KeysUnavailable => ("UNAVAILABLE", "Temporarily unavailable"),
            Refusal::Forbidden => ("FORBIDDEN", "Forbidden"),
            _ => ("AUTH_INVALID", "Invalid token"),
        };
        assert_eq!(told, expected);
    }
}
