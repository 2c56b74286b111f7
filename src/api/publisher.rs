//! Who publishes, and where they may.

use std::borrow::Cow;
use std::net::SocketAddr;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

use super::Gate;
use super::loopback::is_local;
use super::refusal::{Kind, Refusal};
use crate::auth;
use crate::ids::Namespace;

/// Somebody who proved who they are, or need not.
pub(super) enum Publisher<'a> {
    Key {
        name: &'a str,
        namespaces: &'a [String],
    },
    /// A service token; `name` is its issuer and subject.
    Service {
        name: String,
    },
    Local,
}

impl<'a> Publisher<'a> {
    /// Credentials that are given must be good ones; only who gives none may count as local.
    pub async fn identify(
        gate: &'a Gate,
        peer: Option<SocketAddr>,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Self, Refusal> {
        let options = &gate.options;
        let Some(credential) = credential(headers)? else {
            if options.loopback_without_key && is_local(peer, uri, headers) {
                return Ok(Self::Local);
            }
            return Err(auth::Refusal::Missing.into());
        };
        if let Some(name) = options.keys.identify(&credential) {
            let namespaces = options.key_namespaces.get(name).map_or([].as_slice(), Vec::as_slice);
            return Ok(Self::Key { name, namespaces });
        }
        // Only tokens have dots in this number; a mistyped key should be called that.
        if options.issuers.is_empty() || credential.matches('.').count() != 2 {
            return Err(auth::Refusal::ApiKey.into());
        }
        let services = &gate.services;
        let now_ms = services.clock.wall_ms();
        let identity = services.authenticator.authenticate(&credential, &options.issuers, now_ms).await?;
        Ok(Self::Service { name: format!("token:{}:{}", identity.issuer, identity.subject) })
    }

    /// Whose rate counts.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Key { name, .. } => format!("key:{name}").into(),
            Self::Service { name } => name.into(),
            Self::Local => "local".into(),
        }
    }

    pub fn check(&self, namespace: &Namespace) -> Result<(), Refusal> {
        match self {
            Self::Key { name, namespaces } => {
                if namespaces.is_empty() || namespaces.iter().any(|allowed| allowed == namespace.as_str()) {
                    return Ok(());
                }
                let refusal = Refusal::new(Kind::Forbidden, "this key may not publish to that namespace");
                Err(refusal.at("namespace").log(name))
            }
            Self::Service { .. } | Self::Local => Ok(()),
        }
    }
}

/// `X-API-Key`, or what follows `Authorization: Bearer`.
fn credential(headers: &HeaderMap) -> Result<Option<String>, auth::Refusal> {
    let text = |value: &http::HeaderValue| value.to_str().map(str::to_owned).map_err(|_| auth::Refusal::Malformed);
    match headers.get("x-api-key").map(text).transpose()? {
        Some(key) if !key.is_empty() => Ok(Some(key)),
        _ => {
            let authorization = headers.get(AUTHORIZATION).map(text).transpose()?;
            auth::token_from(None, authorization.as_deref())
        }
    }
}
