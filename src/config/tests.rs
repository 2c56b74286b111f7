//! The configuration as an operator meets it.

use std::path::PathBuf;

use super::*;

fn load_text(text: &str) -> Result<Settings, Vec<Fault>> {
    load_with(Some(text), &[], Flags::default())
}

fn load_with(text: Option<&str>, environment: &[(&str, &str)], flags: Flags) -> Result<Settings, Vec<Fault>> {
    let file = text.map(|text| (PathBuf::from("fanfare.yaml"), text.to_owned()));
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Sources { file, environment, flags })
}

fn faults(text: &str) -> Vec<String> {
    load_text(text).unwrap_err().iter().map(ToString::to_string).collect()
}

fn only_fault(text: &str) -> String {
    let faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.into_iter().next().unwrap()
}

const OPEN: &str = "namespaces: {\"/\": {anonymous: true}}\n";

#[test]
#[expect(clippy::disallowed_methods, reason = "whether to write the document is said by whoever runs the test")]
fn document_is_in_step_with_the_table_of_keys() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, document()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written == document(), "docs/configuration.md is old: run this test with UPDATE_DOCS=1");
}

#[test]
fn document_shows_an_example_that_loads() {
    let text = document();
    let example = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let scratch = Scratch::new("example");
    let key = scratch.0.join("key");
    std::fs::write(&key, "0123456789abcdef\n").unwrap();
    let settings = load_text(&example.replace("/run/secrets/orders-key", key.to_str().unwrap())).unwrap();
    assert_eq!(settings.publish.keys[0].key.expose(), "0123456789abcdef");
}

#[test]
fn document_of_the_contract_shows_examples_that_load() {
    let text = include_str!("../../docs/contract.md");
    let examples: Vec<_> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        load_text(example).unwrap();
    }
    for verb in crate::contract::VerbName::ALL {
        assert!(text.contains(&format!("| `{}` |", verb.as_str())), "{verb:?}");
    }
}

#[test]
fn nothing_at_all_is_a_development_gateway_for_this_machine() {
    let settings = load_with(None, &[], Flags::default()).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:3001");
    assert_eq!(settings.admin.to_string(), "127.0.0.1:9090");
    assert!(settings.development && settings.publish.loopback_without_key && !settings.cors.check_websocket_origin);
    let root = settings.namespaces.find("/").unwrap();
    assert!(root.anonymous && root.recovery);
    assert_eq!((root.join.as_slice(), root.publish.as_slice()), (&["*".to_owned()][..], &["*".to_owned()][..]));
    assert!(root.contract.allows(crate::contract::VerbName::Publish));
    assert!(settings.namespaces.find("/other").is_none());
    assert!(settings.redis.url.is_none());
    assert_eq!(settings.engine.transports, [Transport::Polling, Transport::Websocket]);
    assert_eq!(settings.warnings(), [""; 0]);
}

#[test]
fn a_file_without_namespaces_closes_the_gateway() {
    assert!(only_fault("log: {level: debug}").contains("admits nobody"));
    let text = "auth: {issuers: [{name: a, issuer: b, secret: cccccccccccccccccccccccccccccccc}]}";
    let settings = load_text(text).unwrap();
    assert!(!settings.development && !settings.namespaces.find("/").unwrap().anonymous);
    assert!(load_text("development: true").unwrap().namespaces.find("/").unwrap().anonymous);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let text = format!("{OPEN}listen: 127.0.0.1:1\nadmin: 127.0.0.1:2\ncluster: {{advertise: \"node:3\"}}\n");
    let environment = [
        ("FANFARE_LISTEN", "127.0.0.1:11"),
        ("FANFARE_ADMIN", "127.0.0.1:12"),
        ("REDIS_URL", "redis://cache:6379"),
        ("FANFARE_ENGINE_PING_INTERVAL_MS", "300"),
        ("FANFARE_CORS_ORIGINS", "https://a.example, https://b.example"),
        ("FANFARE_CLUSTER_ADVERTISE", ""),
        ("PATH", "/bin"),
    ];
    let flags = Flags { listen: Some("127.0.0.1:21".into()), ..Flags::default() };
    let settings = load_with(Some(&text), &environment, flags).unwrap();
    assert_eq!(settings.listen.port(), 21);
    assert_eq!(settings.admin.port(), 12);
    assert_eq!(settings.cluster.advertise.as_deref(), Some("node:3"));
    assert_eq!(settings.redis.url.as_ref().unwrap().to_string(), "redis://cache:6379");
    assert_eq!(settings.engine.ping_interval_ms, 300);
    assert_eq!(settings.cors.origins.len(), 2);
    assert!(settings.cors.check_websocket_origin);
}

#[test]
fn all_faults_are_told_at_once_with_their_lines() {
    let text = "\
listen: everywhere
engine:
  pingInterval: 300
  ping_timeout_ms: \"20000\"
  transports: [polling, carrier-pigeon]
ping_interval_ms: 5
cors:
  origins: [\"*\", \"https://app.example.com/\"]
  credentials: true
namespaces:
  chat: {anonymous: true}
  \"^/t-[a-z\": {anonymous: true}
  \"/x\":
    issuers: [mian]
    events: {m: {ack: nonsense}}
auth:
  issuers:
    - name: main
      issuer: https://id.example.com/
      secret: s
      algorithms: [RS256]
    - name: main
      issuer: b
publish: 7
";
    assert_eq!(
        faults(text),
        [
            "fanfare.yaml:1: listen is the text \"everywhere\"; write an address and port as in `127.0.0.1:3001`",
            "fanfare.yaml:3: engine.pingInterval is not a known key; did you mean `ping_interval_ms`?",
            "fanfare.yaml:4: engine.ping_timeout_ms is the text \"20000\"; write a whole number from 100 to 3600000",
            "fanfare.yaml:5: engine.transports item 2 is the text \"carrier-pigeon\"; write `polling` or `websocket`",
            "fanfare.yaml:6: ping_interval_ms is not a known key; did you mean `engine.ping_interval_ms`?",
            "fanfare.yaml:8: cors.origins item 2 is the text \"https://app.example.com/\"; write `*` or an origin as in `https://app.example.com`",
            "fanfare.yaml:9: cors.credentials is not possible with the origin `*`; list the origins, or turn `cors.credentials` off",
            "fanfare.yaml:11: namespaces.chat is not a namespace (a namespace starts with \"/\"); write a name that starts with `/`, or a pattern from `^` to `$`",
            "fanfare.yaml:12: namespaces.\"^/t-[a-z\" is a pattern without an end; end it with `$`",
            "fanfare.yaml:14: namespaces.\"/x\".issuers names the issuer `mian`, which does not exist; did you mean `main`?",
            "fanfare.yaml:15: namespaces.\"/x\".events.m.ack is not an expression; write `args`, `\"[auth]\"` or a list of values",
            "fanfare.yaml:21: auth.issuers[0].algorithms has RS256, which does not fit `secret`; write HS256, HS384 or HS512",
            "fanfare.yaml:22: auth.issuers[1] has no key; write exactly one of `secret`, `secret_file`, `pem`, `pem_file` and `jwks_url`",
            "fanfare.yaml:22: auth.issuers[1].name is `main`, which stands above already; take another name",
            "fanfare.yaml:24: publish is a number; write a section with keys",
        ]
    );
}

#[test]
fn a_fault_names_the_variable_or_flag_it_came_from() {
    let flags = Flags { admin: Some("9090".into()), redis: Some("cache".into()), ..Flags::default() };
    let environment = [("FANFARE_WORKERS", "many"), ("FANFARE_LISTN", "x"), ("FANFARE_PORT", "tcp://10.0.0.1:3001")];
    let faults: Vec<_> = load_with(None, &environment, flags).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "environment FANFARE_LISTN: is not a known variable; did you mean `FANFARE_LISTEN`?",
            "environment FANFARE_WORKERS: workers is the text \"many\"; write a whole number from 0 to 255",
            "flag --admin: admin is the text \"9090\"; write an address and port as in `127.0.0.1:3001`",
            "flag --redis: redis.url does not have the right form; write a URL that starts with `redis://`, `rediss://`, \
             `redis-sentinel://`, `rediss-sentinel://`, `redis-cluster://`, `rediss-cluster://`",
        ]
    );
}

#[test]
fn variables_of_others_are_let_be_but_told() {
    let environment =
        [("FANFARE_SERVICE_HOST", "10.0.0.1"), ("FANFARE_PORT_3001_TCP_ADDR", "x"), ("FANFARE_COLOUR", "red")];
    let settings = load_with(None, &environment, Flags::default()).unwrap();
    assert_eq!(settings.warnings(), ["the environment variable FANFARE_COLOUR means nothing here"]);
}

#[test]
fn secrets_are_never_shown() {
    let text = format!(
        "{OPEN}auth: {{issuers: [{{name: a, issuer: b, secret: hunter2}}]}}\nredis: {{url: \"redis://u:hunter2@c:1\", password: hunter2}}\n\
         publish: {{keys: [{{name: k, key: hunter2}}]}}\n"
    );
    assert!(!format!("{:?}", load_text(&text).unwrap()).contains("hunter2"));
    let bad = format!(
        "{OPEN}redis: {{url: hunter2, password: [hunter2], password_file: hunter}}\npublish: {{keys: [{{name: k, key: 111222}}]}}\n\
         auth: {{issuers: [{{name: a, issuer: b, pem: hunter2}}]}}\n"
    );
    let told = faults(&bad).join("\n");
    assert!(!told.contains("hunter2") && !told.contains("111222"), "{told}");
}

#[test]
fn secrets_may_stand_in_files_beside_the_configuration() {
    let scratch = Scratch::new("secrets");
    std::fs::write(scratch.0.join("password"), "from-file\n").unwrap();
    let text = format!("{OPEN}redis:\n  password_file: password\n");
    let file = |text: &str| Some((scratch.0.join("fanfare.yaml"), text.to_owned()));
    let environment = Vec::<(String, String)>::new();
    let loaded = |text: &str, environment: Vec<(String, String)>| {
        load(Sources { file: file(text), environment: environment.into_iter(), flags: Flags::default() })
    };
    let password = |settings: Settings| settings.redis.password.unwrap().expose().to_owned();
    assert_eq!(password(loaded(&text, environment.clone()).unwrap()), "from-file");
    // The layer above replaces the value, in whichever form either was given.
    let above = vec![("FANFARE_REDIS_PASSWORD".to_owned(), "from-variable".to_owned())];
    assert_eq!(password(loaded(&text, above).unwrap()), "from-variable");
    let both = loaded(&format!("{text}  password: x\n"), environment.clone()).unwrap_err();
    assert!(both[0].to_string().contains("stands beside `password`"), "{}", both[0]);
    let missing = loaded(&text.replace(": password", ": nowhere"), environment).unwrap_err();
    assert!(missing[0].to_string().contains("cannot be read"), "{}", missing[0]);
}

#[test]
fn an_issuer_has_one_key_and_algorithms_that_fit_it() {
    let issuer = |keys: &str| load_text(&format!("auth: {{issuers: [{{name: a, issuer: b, {keys}}}]}}"));
    let settings = issuer("secret: x").unwrap();
    assert_eq!(settings.auth.issuers[0].algorithms, [crate::auth::Algorithm::Hs256]);
    assert_eq!(settings.auth.issuers[0].required_claims, ["exp"]);
    let settings = issuer("jwks_url: \"https://id.example.com/keys\", algorithms: [EdDSA]").unwrap();
    assert!(matches!(&settings.auth.issuers[0].key, IssuerKey::Jwks(url) if url == "https://id.example.com/keys"));
    assert!(issuer("secret: x, jwks_url: \"https://id.example.com/\"").is_err());
    assert!(issuer("pem: \"-----BEGIN PUBLIC KEY-----\", algorithms: [HS256]").is_err());
    assert!(issuer("secret: x, algorithms: []").is_err());
}

#[test]
fn an_exact_namespace_wins_and_patterns_keep_the_order_of_the_file() {
    let text = r#"
namespaces:
  "^/z.*|/y$": {anonymous: true, description: first}
  "^/zebra$": {anonymous: true, description: second}
  "/zoo": {anonymous: true, description: exact}
  "/alert:weather":
    anonymous: true
"#;
    let settings = load_text(text).unwrap();
    let found = |name: &str| settings.namespaces.find(name).and_then(|found| found.description.clone());
    assert_eq!(found("/zoo").as_deref(), Some("exact"));
    assert_eq!(found("/zebra").as_deref(), Some("first"));
    assert_eq!(found("/y").as_deref(), Some("first"));
    assert_eq!(found("/a/y"), None);
    assert!(settings.namespaces.find("/alert:weather").is_some() && settings.namespaces.find("/").is_none());
    assert!(only_fault("namespaces: {\"^/(a{1000}){1000}$\": {anonymous: true}}").contains("too large"));
    assert!(only_fault("namespaces: {\"^/(?=a)$\": {anonymous: true}}").contains("not a valid pattern"));
}

#[test]
fn a_namespace_may_refuse_everyone() {
    let settings = load_text("namespaces: {\"/no\": {refuse: {message: closed, data: {code: 7}}}}").unwrap();
    let refuse = settings.namespaces.find("/no").unwrap().refuse.clone().unwrap();
    assert_eq!((refuse.message.as_str(), refuse.data), ("closed", Some(serde_json::json!({"code": 7}))));
    assert!(only_fault("namespaces: {\"/no\": {refuse: {data: 1}}}").contains("refuse.message is missing"));
}

#[test]
fn further_listeners_take_what_they_do_not_override() {
    let text = format!(
        "{OPEN}engine: {{ping_interval_ms: 300}}\nlisteners:\n  - listen: 127.0.0.1:4000\n    engine: {{parser: msgpack}}\n  - listen: 127.0.0.1:0\n"
    );
    let settings = load_text(&text).unwrap();
    let [first, second, third] = &settings.listeners()[..] else { panic!("three doors") };
    assert_eq!((first.engine.parser, second.engine.parser), (Parser::Default, Parser::Msgpack));
    assert_eq!((second.engine.ping_interval_ms, third.engine.ping_interval_ms), (300, 300));
    let bad =
        format!("{OPEN}listeners: [{{listen: 127.0.0.1:4000, engine: {{ping: 1, parser: xml}}}}, {{engine: {{}}}}]");
    assert_eq!(faults(&bad).len(), 3);
    assert!(only_fault(&format!("{OPEN}admin: 127.0.0.1:3001")).contains("is taken"));
}

#[test]
fn a_broken_file_is_one_fault_and_variables_are_still_checked() {
    let broken = load_with(Some("engine: [\n"), &[("FANFARE_WORKERS", "x")], Flags::default()).unwrap_err();
    let told: Vec<_> = broken.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("is not valid YAML") && told[1].contains("FANFARE_WORKERS"));
}

#[test]
fn a_file_that_is_no_map_is_a_fault() {
    for text in ["- a\n- b\n", "hello", "5"] {
        assert!(load_text(text).is_err(), "{text:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_loading_panic(text in "(([a-z]{1,9}|listen|engine|auth|issuers|namespaces|\"/\"|publish|keys|limits|redis)(:|: |:\n {1,4})|[-\\[\\]{}&*!|>'\"%@` ,\n#0-9a-z]){0,60}") {
        let _ = load_text(&text);
    }

    #[test]
    fn no_value_of_any_sort_makes_a_key_panic(at in 0..300_usize, sort in 0..7_usize) {
        let keys: Vec<_> = keys::all().collect();
        let path = keys[at % keys.len()].path;
        let value = ["null", "true", "-1", "1.5", "text", "[[1], {a: b}]", "{a: [b]}"][sort];
        let mut text = String::new();
        let mut depth = 0;
        for part in path.split('.') {
            let indent = "  ".repeat(depth);
            let (name, list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
            let name = if name == "*" { "/x" } else { name };
            text += &[indent.as_str(), "\"", name, "\":\n"].concat();
            if list {
                text += &[indent.as_str(), "  -\n"].concat();
            }
            depth += if list { 2 } else { 1 };
        }
        text.truncate(text.trim_end().len());
        text = format!("{text} {value}\n");
        let _ = load_text(&text);
    }
}

#[test]
fn what_is_allowed_but_risky_is_told() {
    let text = "\
listen: 0.0.0.0:3001
namespaces: {\"/\": {anonymous: true}}
auth: {issuers: [{name: a, issuer: b, secret: short, required_claims: []}]}
";
    let warnings = load_text(text).unwrap().warnings().join("\n");
    for part in
        ["without a token", "no redis.url", "shorter than 32", "audience", "without an end", "nobody can publish"]
    {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    let shared = |clients: &str| {
        let issuers = "[{name: users, issuer: u, secret: s}, {name: services, issuer: s, secret: s}]";
        let namespaces = format!("{{\"/\": {{issuers: [{clients}]}}}}");
        let text =
            format!("auth: {{issuers: {issuers}}}\npublish: {{issuers: [services]}}\nnamespaces: {namespaces}\n");
        load_text(&text).unwrap().warnings().join("\n").contains("an issuer of their own")
    };
    assert!(shared("") && shared("services") && !shared("users"));
    let flags = Flags { listen: Some("0.0.0.0:3001".into()), ..Flags::default() };
    let warnings = load_with(None, &[], flags).unwrap().warnings();
    assert!(warnings[0].contains("anyone who reaches it"), "{warnings:?}");
}

#[test]
fn every_secret_file_and_override_points_at_a_key_of_the_table() {
    use super::kind::Kind;
    let schema = Schema::new();
    for key in keys::all() {
        match key.kind {
            Kind::SecretFile => {
                let target = key.path.strip_suffix("_file").expect("the name ends in _file");
                assert!(keys::all().any(|key| key.path == target), "{target}");
            }
            Kind::Overrides(section) => assert!(schema.section(section).is_some(), "{section}"),
            _ => {}
        }
    }
}

/// A folder of its own for one test, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("fanfare-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder left behind harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
