//! Which web pages may talk to the gateway: the origin check (RFC 6454) and the CORS answers of the Fetch standard.
//!
//! Plain values only; the transport writes them into its responses, errors included.

use super::fault::{Fault, OptionFault};

/// What an operator says about origins.
#[derive(Debug, Clone)]
pub struct OriginOptions {
    /// Exact origins (`https://app.example.com`, `null`), or `*` alone, or `reflect` alone, or `loopback` alone (pages served
    /// from this machine, for development). Nothing: no check, no headers.
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
    Loopback,
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
        let vary_origin = matches!(self.rule, Rule::Reflect | Rule::Loopback | Rule::List(_));
        let without = Cors { vary_origin, ..Cors::default() };
        let with = |allow_origin: &str| {
            let allow_origin = Some(allow_origin.to_owned());
            Origin::Allowed(Cors { allow_origin, allow_credentials: self.credentials, vary_origin })
        };
        match (&self.rule, origin) {
            (Rule::Any, _) => with("*"),
            (Rule::Off, _) | (Rule::Reflect | Rule::Loopback | Rule::List(_), None) => Origin::Allowed(without),
            (Rule::Reflect, Some(origin)) if is_origin(origin) => with(origin),
            (Rule::Loopback, Some(origin)) if is_loopback(origin) => with(origin),
            (Rule::List(list), Some(origin)) if list.iter().any(|listed| listed == origin) => with(origin),
            (Rule::Reflect | Rule::Loopback | Rule::List(_), Some(_)) => Origin::Denied(without),
        }
    }

    /// Whether only pages of this machine may come in. A page whose name was made to point here (DNS rebinding) shares the
    /// gateway's origin, so the browser would let it read every answer: then a denied origin is refused on every transport.
    pub fn is_for_this_machine(&self) -> bool {
        matches!(self.rule, Rule::Loopback)
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
        [one] if one == "loopback" => return Rule::Loopback,
        _ => {}
    }
    for (index, origin) in origins.iter().enumerate() {
        let at = format!("origins[{index}]");
        match origin.as_str() {
            "*" | "reflect" | "loopback" => faults.push(OptionFault::new(at, Fault::OriginNotAlone)),
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

/// A page served from this machine, on any port.
fn is_loopback(origin: &str) -> bool {
    let Some((_, host)) = origin.split_once("://").filter(|_| is_origin(origin)) else { return false };
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether `text` has only characters of an HTTP token (RFC 9110, section 5.6.2) and those that `separates` allows.
fn is_token_list(text: &str, separates: impl Fn(u8) -> bool) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| is_token_byte(byte) || separates(byte))
}
