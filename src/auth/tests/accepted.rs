//! Tokens that are let in.

use super::*;

fn supabase() -> Issuer {
    let mut issuer = hs256_issuer();
    issuer.issuer = Some("https://project.supabase.example/auth/v1".to_owned());
    issuer.audiences = vec!["authenticated".to_owned()];
    issuer
}

fn supabase_claims() -> Value {
    json!({
        "iss": "https://project.supabase.example/auth/v1", "sub": "3f0c", "aud": "authenticated",
        "exp": NOW_S + 3600, "iat": NOW_S, "email": "a@example.com", "phone": "", "role": "authenticated",
        "app_metadata": {"provider": "email", "org": {"id": "o1"}}, "user_metadata": {}, "aal": "aal1",
        "amr": [{"method": "password", "timestamp": NOW_S}], "session_id": "5e55", "is_anonymous": false
    })
}

fn clerk() -> Issuer {
    let mut issuer = jwks_issuer(vec![Algorithm::Rs256]);
    issuer.issuer = Some("https://clerk.example".to_owned());
    issuer.authorized_parties = vec!["https://app.example.com".to_owned()];
    issuer.max_lifetime_s = Some(60);
    issuer
}

fn clerk_claims() -> Value {
    json!({
        "azp": "https://app.example.com", "exp": NOW_S + 60, "iat": NOW_S, "nbf": NOW_S - 10, "jti": "j-1",
        "iss": "https://clerk.example", "sid": "sess_1", "sub": "user_1", "v": 2, "fva": [1, -1]
    })
}

#[tokio::test]
async fn a_supabase_token() {
    let token = hs256(r#"{"alg":"HS256","kid":"x","typ":"JWT"}"#, &supabase_claims().to_string());
    let identity = check(vec![supabase()], &token).await.unwrap();
    assert_eq!(identity.subject, "3f0c");
    assert_eq!(identity.expires_at_s, Some(NOW_S + 3600));
    assert_eq!(identity.claims["app_metadata"]["org"]["id"], "o1");
    assert_eq!((identity.issuer.as_str(), identity.token_id), ("own", None));
}

#[tokio::test]
async fn a_clerk_token() {
    let port = Port::new();
    port.serve(&[jwk("rsa-1", "ins_1", &json!({"alg": "RS256", "use": "sig"}))]);
    let authenticator = authenticator(vec![clerk()], &port);
    let verdict = async |claims: &Value| {
        authenticator.authenticate(&rs256("ins_1", "rsa-1", claims), authenticator.issuers(), NOW_MS).await
    };
    let identity = verdict(&clerk_claims()).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.token_id.as_deref()), ("user_1", Some("j-1")));

    let changed = |name: &str, value: Value| {
        let mut claims = clerk_claims();
        claims[name] = value;
        claims
    };
    assert_eq!(verdict(&changed("azp", "https://evil.example".into())).await.unwrap_err(), Refusal::Party);
    assert_eq!(verdict(&changed("azp", Value::Null)).await.unwrap_err(), Refusal::Party);
    assert_eq!(verdict(&changed("exp", (NOW_S + 61).into())).await.unwrap_err(), Refusal::Lifetime);
    assert_eq!(verdict(&changed("iss", "https://other.example".into())).await.unwrap_err(), Refusal::Issuer);
}

#[tokio::test]
async fn every_algorithm_with_its_key() {
    for algorithm in Algorithm::ALL {
        let name = algorithm.as_str();
        let primitive: jsonwebtoken::Algorithm = name.parse().unwrap();
        let (fixture, key) = match &name[..2] {
            "HS" => ("", EncodingKey::from_secret(SECRET.as_bytes())),
            "RS" | "PS" => ("rsa-1", EncodingKey::from_rsa_pem(pem("rsa-1").as_bytes()).unwrap()),
            "ES" if name == "ES256" => ("p256", EncodingKey::from_ec_pem(pem("p256").as_bytes()).unwrap()),
            "ES" => ("p384", EncodingKey::from_ec_pem(pem("p384").as_bytes()).unwrap()),
            _ => ("ed25519", EncodingKey::from_ed_pem(pem("ed25519").as_bytes()).unwrap()),
        };
        let source = if fixture.is_empty() {
            KeySource::Secret(SECRET.into())
        } else {
            KeySource::Pem(pem(&format!("{fixture}.pub")))
        };
        let header = json!({ "alg": name }).to_string();
        let token = signed(&header, &json!({"sub": "u", "exp": NOW_S + 9}).to_string(), &key, primitive);
        let identity = check(vec![Issuer::new("any", vec![algorithm], source)], &token).await;
        assert_eq!(identity.unwrap().subject, "u", "{name}");
    }
}

#[tokio::test]
async fn what_is_signed_here_is_accepted_here() {
    let claims = json!({"sub": "u", "exp": NOW_S + 9}).as_object().unwrap().clone();
    let token = sign_hs256(&SECRET.into(), &claims);
    assert_eq!(*check(vec![hs256_issuer()], &token).await.unwrap().claims, claims);
}

#[tokio::test]
async fn several_issuers_are_told_apart_by_iss_and_then_by_algorithm() {
    let mut named = hs256_issuer();
    (named.name, named.issuer) = ("named".into(), Some("https://a.example".to_owned()));
    named.key = KeySource::Secret("another secret".into());
    let mut other = hs256_issuer();
    (other.name, other.key) = ("other".into(), KeySource::Secret("a third secret".into()));
    let rsa = Issuer::new("rsa", vec![Algorithm::Rs256], KeySource::Pem(pem("rsa-1.pub")));
    let issuers = vec![named, other, rsa, hs256_issuer()];
    let authenticator = authenticator(issuers, &Port::new());

    let by = async |secret: &str, claims: Value, allowed: &[IssuerName]| {
        let token = sign_hs256(&secret.into(), claims.as_object().unwrap());
        authenticator.authenticate(&token, allowed, NOW_MS).await.map(|identity| identity.issuer.to_string())
    };
    let all = authenticator.issuers();
    let plain = json!({"sub": "u", "exp": NOW_S + 9});
    let named = json!({"sub": "u", "exp": NOW_S + 9, "iss": "https://a.example"});
    let expired = json!({"sub": "u", "exp": 1});
    assert_eq!(by("another secret", named.clone(), all).await.unwrap(), "named");
    assert_eq!(by(SECRET, plain.clone(), all).await.unwrap(), "own");
    assert_eq!(by("a third secret", plain.clone(), all).await.unwrap(), "other");
    assert_eq!(by(SECRET, named, all).await, Err(Refusal::Signature), "iss binds the token to its issuer's key");
    assert_eq!(by(SECRET, expired, all).await, Err(Refusal::Expired), "the nearest refusal counts");
    assert_eq!(by(SECRET, plain.clone(), &["other".into()]).await, Err(Refusal::Signature));
    assert_eq!(by(SECRET, plain.clone(), &["rsa".into()]).await, Err(Refusal::Algorithm));
    assert_eq!(by(SECRET, plain, &[]).await, Err(Refusal::Issuer));
}

#[tokio::test]
async fn a_subject_may_have_another_claim() {
    let mut issuer = hs256_issuer();
    issuer.subject_claim = "user.id".to_owned();
    let token = hs256(r#"{"alg":"HS256"}"#, &json!({"user": {"id": 17}, "exp": NOW_S + 9}).to_string());
    assert_eq!(check(vec![issuer], &token).await.unwrap().subject, "17");
}

#[tokio::test]
async fn the_leeway_covers_both_ends() {
    let header = r#"{"alg":"HS256"}"#;
    let late = hs256(header, &json!({"sub": "u", "exp": NOW_S - 29}).to_string());
    let early =
        hs256(header, &json!({"sub": "u", "exp": NOW_S + 90, "nbf": NOW_S + 30, "iat": NOW_S + 30}).to_string());
    assert!(check(vec![hs256_issuer()], &late).await.is_ok());
    assert!(check(vec![hs256_issuer()], &early).await.is_ok());
}
