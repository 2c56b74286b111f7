//! Keys about who may come in: browsers' origins and token issuers.

use super::super::kind::Kind;
use super::{DAY_S, Preset, Section, key, number, optional, preset, required, switch};

pub(super) const CORS: Section = Section {
    title: "Browsers' origins",
    text: "Which web pages may use the gateway. An origin is `scheme://host` with the port if it is not the usual one; `*` is any.",
    keys: &[
        preset(
            "cors.origins",
            Kind::List(&Kind::Origin, 0),
            "[]",
            "The origins whose pages may read answers; none sends no CORS headers at all.",
        ),
        switch("cors.reflect", "false", "Allows whatever origin asks, by naming it back; for development."),
        switch(
            "cors.credentials",
            "false",
            "Lets browsers send cookies and HTTP authentication; not together with the origin `*`.",
        ),
        number("cors.max_age_s", (0, DAY_S), "seconds", "600", "How long browsers may remember a preflight answer."),
        key(
            "cors.check_websocket_origin",
            Kind::Bool,
            "",
            Preset::Derived("true when `cors.origins` has entries and `cors.reflect` is off"),
            "Refuses WebSockets from pages of other origins, which browsers do not do by themselves; clients without an Origin header pass.",
        ),
    ],
};

const ALGORITHMS: Kind = Kind::OneOf(&[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
]);

pub(super) const AUTH: Section = Section {
    title: "Token issuers",
    text: "Who signs the tokens (JWT) of clients and services. Each issuer has exactly one of `secret`, `secret_file`, `pem`, \
           `pem_file` and `jwks_url`. Files are read at start, relative to the configuration file.",
    keys: &[
        required("auth.issuers[].name", Kind::Name, "What the rest of this file calls this issuer."),
        required(
            "auth.issuers[].issuer",
            Kind::Text { max: 1024 },
            "The `iss` claim of its tokens, compared letter by letter.",
        ),
        preset(
            "auth.issuers[].audiences",
            Kind::List(&Kind::Text { max: 1024 }, 0),
            "[]",
            "The `aud` claims accepted, any one of them; with none the claim is not checked.",
        ),
        key(
            "auth.issuers[].algorithms",
            Kind::List(&ALGORITHMS, 1),
            "",
            Preset::Derived("`[HS256]` with a secret, else `[RS256, ES256, EdDSA]`"),
            "The signature algorithms accepted; of a list for public keys, those that do not fit the key are left out.",
        ),
        optional("auth.issuers[].secret", Kind::Secret, "The shared secret of HS256, HS384 and HS512."),
        optional("auth.issuers[].secret_file", Kind::SecretFile, "A file that holds the shared secret."),
        optional("auth.issuers[].pem", Kind::Pem, "The public key, as PEM text."),
        optional("auth.issuers[].pem_file", Kind::SecretFile, "A file that holds the public key as PEM."),
        optional(
            "auth.issuers[].jwks_url",
            Kind::Url(&["https", "http"]),
            "Where the issuer publishes its keys; they are fetched at start and when a token names an unknown key.",
        ),
        number(
            "auth.issuers[].leeway_s",
            (0, 600),
            "seconds",
            "30",
            "How far the clocks of issuer and gateway may be apart.",
        ),
        preset(
            "auth.issuers[].required_claims",
            Kind::List(&Kind::Claim, 0),
            r#"["exp"]"#,
            "Claims a token must have.",
        ),
        preset("auth.issuers[].subject_claim", Kind::Claim, r#""sub""#, "The claim that names the user."),
        key(
            "auth.issuers[].max_lifetime_s",
            Kind::Integer { min: 1, max: 366 * DAY_S },
            "seconds",
            Preset::Absent,
            "The longest time between `iat` and `exp` of a token; a token without both is then refused.",
        ),
        preset(
            "auth.issuers[].authorized_parties",
            Kind::List(&Kind::Text { max: 1024 }, 0),
            "[]",
            "The `azp` claims accepted; with none the claim is not checked.",
        ),
    ],
};
