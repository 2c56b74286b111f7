//! Which web pages may talk to the gateway: the origin check (RFC 6454) and the CORS answers of the Fetch standard.
//!
//! Plain values only; the transport writes them into its responses, errors included.

use super::fault::{Fault, OptionFault};

/// What an operator says about origins.
#[derive(Debug, Clone)]
pub struct OriginOptions {
    /// Exact origins (`https://app.example.com`, `null`), or `*` alone, or `reflect` alone. Nothing: no check, no headers.
    pub origins: Vec<String>,
    /// Whether browsers may send cookies along.
    pub credentials: bool,
    pub methods: Vec<String>,
    /// How long a browser may remember a preflight answer, in seconds.
    pub max_age_s: Option<u32>,
}

impl Default for OriginOptions {
    fn default() -> Self {
        let methods = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"].map(str::to_owned).to_vec();
        Self { origins: Vec::new(), credentials: false, methods, max_age_s: None }
    }
}

/// The decision about a request's origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Serve the request; `Cors` has the headers to add.
    Allowed(Cors),
    /// Refuse the request (HTTP 403 before any upgrade); `Cors` has the headers for the refusal.
    Denied(Cors),
}

/// CORS headers of any response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    pub allow_origin: Option<String>,
    pub allow_credentials: bool,
    /// Whether the answer depends on the origin, so that caches must keep them apart.
    pub vary_origin: bool,
}

/// The answer to a preflight request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    pub cors: Cors,
    pub allow_methods: String,
    /// The headers asked for, allowed as they are: the gateway reads no header a page could do harm with.
    pub allow_headers: Option<String>,
    pub max_age_s: Option<u32>,
}

/// The checked form of [`OriginOptions`].
#[derive(Debug, Clone)]
pub struct OriginPolicy {
    rule: Rule,
    credentials: bool,
    methods: String,
    max_age_s: Option<u32>,
}

#[derive(Debug, Clone)]
enum Rule {
    Off,
    Any,
    Reflect,
    List(Vec<String>),
}

/// Longest origin or list of requested headers that is sent back, in bytes.
const REFLECTED_BYTES_MAX: usize = 1024;

impl OriginPolicy {
    /// # Errors
    /// All faults of the options at once.
    pub fn new(options: &OriginOptions) -> Result<Self, Vec<OptionFault>> {
        let mut faults = Vec::new();
        let rule = rule(&options.origins, &mut faults);
        if options.credentials && matches!(rule, Rule::Any) {
            faults.push(OptionFault::new("credentials", Fault::WildcardWithCredentials));
        }
        for (index, method) in options.methods.iter().enumerate() {
            if !is_token_list(method, |_| false) {
                faults.push(OptionFault::new(format!("methods[{index}]"), Fault::BadMethod));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (credentials, max_age_s) = (options.credentials, options.max_age_s);
        Ok(Self { rule, credentials, methods: options.methods.join(","), max_age_s })
    }

    /// Decides about a request by its `Origin` header. A request without one comes from no foreign page and is allowed.
    /// `null` (a sandboxed frame, a file) is allowed only where it is listed, or with `*`.
    pub fn decide(&self, origin: Option<&str>) -> Origin {
        let vary_origin = matches!(self.rule, Rule::Reflect | Rule::List(_));
        let without = Cors { vary_origin, ..Cors::default() };
        let with = |allow_origin: &str| {
            let allow_origin = Some(allow_origin.to_owned());
            Origin::Allowed(Cors { allow_origin, allow_credentials: self.credentials, vary_origin })
        };
        match (&self.rule, origin) {
            (Rule::Off, _) => Origin::Allowed(without),
            (Rule::Any, _) => with("*"),
            (Rule::Reflect | Rule::List(_), None) => Origin::Allowed(without),
            (Rule::Reflect, Some(origin)) if is_origin(origin) => with(origin),
            (Rule::List(list), Some(origin)) if list.iter().any(|listed| listed == origin) => with(origin),
            (Rule::Reflect | Rule::List(_), Some(_)) => Origin::Denied(without),
        }
    }

    /// The answer to an `OPTIONS` request; none if the origin is denied or CORS is off.
    /// `requested_headers` is `Access-Control-Request-Headers`.
    pub fn preflight(&self, origin: Option<&str>, requested_headers: Option<&str>) -> Option<Preflight> {
        let Origin::Allowed(cors) = self.decide(origin) else { return None };
        cors.allow_origin.as_ref()?;
        let is_fit = |headers: &&str| {
            headers.len() <= REFLECTED_BYTES_MAX && is_token_list(headers, |byte| b", ".contains(&byte))
        };
        let allow_headers = requested_headers.filter(is_fit).map(str::to_owned);
        Some(Preflight { cors, allow_methods: self.methods.clone(), allow_headers, max_age_s: self.max_age_s })
    }
}

impl Cors {
    /// The headers by name.
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = Vec::new();
        if let Some(origin) = &self.allow_origin {
            headers.push(("access-control-allow-origin", origin.as_str()));
            if self.allow_credentials {
                headers.push(("access-control-allow-credentials", "true"));
            }
        }
        if self.vary_origin {
            headers.push(("vary", "Origin"));
        }
        headers
    }
}

impl Preflight {
    /// The headers by name, those of [`Cors`] included; the status is 204.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers: Vec<_> =
            self.cors.headers().into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        headers.push(("access-control-allow-methods", self.allow_methods.clone()));
        if let Some(allowed) = &self.allow_headers {
            headers.push(("access-control-allow-headers", allowed.clone()));
        }
        headers.push(("vary", "Access-Control-Request-Headers".to_owned()));
        if let Some(max_age_s) = self.max_age_s {
            headers.push(("access-control-max-age", max_age_s.to_string()));
        }
        headers
    }
}

fn rule(origins: &[String], faults: &mut Vec<OptionFault>) -> Rule {
    match origins {
        [] => return Rule::Off,
        [one] if one == "*" => return Rule::Any,
        [one] if one == "reflect" => return Rule::Reflect,
        _ => {}
    }
    for (index, origin) in origins.iter().enumerate() {
        let at = format!("origins[{index}]");
        match origin.as_str() {
            "*" | "reflect" => faults.push(OptionFault::new(at, Fault::OriginNotAlone)),
            "null" => {}
            origin if is_origin(origin) => {}
            _ => faults.push(OptionFault::new(at, Fault::BadOrigin)),
        }
    }
    Rule::List(origins.to_vec())
}

/// `scheme://host[:port]` as browsers write it: lower case, without path. Schemes of apps such as `capacitor:` count.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_scheme_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let is_host_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    text.len() <= REFLECTED_BYTES_MAX
        && scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(is_scheme_byte)
        && !host.is_empty()
        && host.bytes().all(is_host_byte)
}

/// Whether `text` has only characters of an HTTP token (RFC 9110, section 5.6.2) and those that `separates` allows.
fn is_token_list(text: &str, separates: impl Fn(u8) -> bool) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| is_token_byte(byte) || separates(byte))
}

#[cfg(test)]
mod tests {
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
}
