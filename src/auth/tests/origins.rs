//! Pages that may and may not talk to the gateway.

use super::*;

fn options(origins: &[&str], credentials: bool) -> OriginOptions {
    let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    OriginOptions { origins, credentials, ..OriginOptions::default() }
}

fn policy(origins: &[&str], credentials: bool) -> OriginPolicy {
    OriginPolicy::new(&options(origins, credentials)).unwrap()
}

fn allowed(decision: Origin) -> Vec<(&'static str, String)> {
    let Origin::Allowed(cors) = decision else { panic!("denied") };
    cors.headers().into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

#[test]
fn without_configuration_there_is_no_check_and_no_header() {
    assert!(allowed(policy(&[], false).decide(Some("https://evil.example"))).is_empty());
    assert_eq!(policy(&[], false).preflight(Some("https://a.example"), None), None);
}

#[test]
fn a_list_is_exact() {
    let policy = policy(&["https://app.example.com", "http://localhost:5173", "capacitor://localhost"], true);
    let headers = allowed(policy.decide(Some("https://app.example.com")));
    let expected = [
        ("access-control-allow-origin", "https://app.example.com"),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(allowed(policy.decide(None)), [("vary", "Origin".to_owned())]);
    for origin in [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evilapp.example.com",
        "https://APP.example.com",
        "https://app.example.com/",
        "null",
        "",
        "*",
    ] {
        let Origin::Denied(cors) = policy.decide(Some(origin)) else { panic!("{origin} was allowed") };
        assert_eq!(cors.headers(), [("vary", "Origin")], "{origin}");
    }
}

#[test]
fn null_is_allowed_only_where_it_is_listed() {
    assert!(matches!(policy(&["null"], false).decide(Some("null")), Origin::Allowed(_)));
    assert!(matches!(policy(&["reflect"], false).decide(Some("null")), Origin::Denied(_)));
}

#[test]
fn reflect_answers_with_the_origin_if_it_is_one() {
    let policy = policy(&["reflect"], true);
    assert_eq!(allowed(policy.decide(Some("https://any.example")))[0].1, "https://any.example");
    for origin in ["https://a b", "https://a\r\nx: y", "javascript", "https://", "://x", "https://é.example"] {
        assert!(matches!(policy.decide(Some(origin)), Origin::Denied(_)), "{origin:?}");
    }
}

#[test]
fn a_star_is_the_same_for_all() {
    let headers = allowed(policy(&["*"], false).decide(Some("https://any.example")));
    assert_eq!(headers, [("access-control-allow-origin", "*".to_owned())]);
}

#[test]
fn a_preflight_reflects_the_headers_asked_for() {
    let mut options = options(&["https://a.example"], false);
    options.max_age_s = Some(600);
    let policy = OriginPolicy::new(&options).unwrap();
    let headers = policy.preflight(Some("https://a.example"), Some("authorization, x-id")).unwrap().headers();
    let expected = [
        ("access-control-allow-origin", "https://a.example"),
        ("vary", "Origin"),
        ("access-control-allow-methods", "GET,HEAD,PUT,PATCH,POST,DELETE"),
        ("access-control-allow-headers", "authorization, x-id"),
        ("vary", "Access-Control-Request-Headers"),
        ("access-control-max-age", "600"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(policy.preflight(Some("https://b.example"), None), None);
    let split = policy.preflight(Some("https://a.example"), Some("a\r\nb: c")).unwrap();
    assert_eq!(split.allow_headers, None);
}

#[test]
fn faults_come_at_once() {
    let mut options = options(&["https://a.example/", "*", "https://*.example", "A"], true);
    options.methods = vec!["GET".to_owned(), "PO ST".to_owned()];
    let at = |options: &OriginOptions| -> Vec<String> {
        OriginPolicy::new(options).unwrap_err().into_iter().map(|fault| fault.at).collect()
    };
    assert_eq!(at(&options), ["origins[0]", "origins[1]", "origins[2]", "origins[3]", "methods[1]"]);
    options.origins = vec!["*".to_owned()];
    assert_eq!(at(&options), ["credentials", "methods[1]"]);
}

#[test]
fn pages_of_this_machine_are_known_by_their_host() {
    let policy = OriginPolicy::new(&options(&["loopback"], false)).unwrap();
    assert!(policy.is_for_this_machine() && !self::policy(&["reflect"], false).is_for_this_machine());
    for origin in
        ["http://localhost:5173", "https://app.localhost", "http://127.0.0.1:3001", "http://[::1]:80", "http://[::1]"]
    {
        assert!(matches!(policy.decide(Some(origin)), Origin::Allowed(_)), "{origin}");
    }
    for origin in ["http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://evil.example:80", "null"] {
        assert!(matches!(policy.decide(Some(origin)), Origin::Denied(_)), "{origin}");
    }
}
