//! Who is there, and what they may do: tokens to identities, claims to rooms and rights, origins to CORS headers.
//!
//! Kept here: the rules for tokens ([`Authenticator`]), the keys they are checked with, publishers' API keys ([`ApiKeys`]),
//! room templates and patterns over claims ([`Access`]), the origin check ([`OriginPolicy`]).
//! Not kept here: HTTP (keys come through the port [`FetchKeys`]), the clock (`now_ms` is an argument), and what a refusal
//! looks like on the wire (the transport's table decides).
//!
//! Invariant: nothing of a token is believed before its signature was verified by a key which the configuration bound to
//! an algorithm. The header's `alg` and `kid` and the claim `iss` only select among configured keys; they never make one.

mod access;
mod api_keys;
mod authenticator;
mod bearer;
mod claim;
mod claims;
mod fault;
mod jwks;
mod key;
mod options;
mod origin;
mod pattern;
mod refusal;
mod seal;
mod secret;
mod sign;
mod strict_json;
mod template;
#[cfg(test)]
mod tests;
mod token;

pub use access::{Access, AutomaticRooms};
pub use api_keys::{ApiKey, ApiKeys};
pub use authenticator::Authenticator;
pub use bearer::token_from;
pub use claims::{Claims, Identity};
pub use fault::{Fault, OptionFault};
pub use jwks::{FETCH_INTERVAL_MS, FetchError, FetchKeys, KEYS_BYTES_MAX};
pub use options::{Algorithm, Issuer, IssuerName, KeySource, Options};
pub use origin::{Cors, Origin, OriginOptions, OriginPolicy, Preflight};
pub use pattern::Pattern;
pub use refusal::{Code, Refusal};
pub use seal::{Purpose, Seal};
pub use secret::Secret;
pub use sign::sign_hs256;
pub use template::Template;
pub use token::TOKEN_BYTES_MAX;
