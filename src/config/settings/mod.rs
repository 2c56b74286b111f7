//! The typed configuration. Every value was checked; every default came from the table of keys.

mod access;
mod limits;
mod listening;
mod namespaces;
mod publishing;
mod redis;
mod warnings;

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::Value;

pub use access::{Auth, Cors, Issuer, IssuerKey};
pub use limits::Limits;
pub use listening::{Engine, Listener, Log, LogFormat, LogLevel, Parser, Transport};
pub use namespaces::{NamespaceName, NamespaceSettings, Namespaces, Refuse};
pub use publishing::{History, Publish, PublishKey, Recovery};
pub use redis::{Cluster, Drain, Ingest, Redis, Sharded};

use super::fault::{Fault, Origin};
use super::sources::Origins;
use crate::ids::Tenant;

/// Everything the gateway is told.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    /// 0 stands for one per core.
    pub workers: u8,
    #[serde(deserialize_with = "tenant")]
    pub tenant: Tenant,
    pub development: bool,
    pub log: Log,
    /// Of the first listener; further ones carry their own.
    pub engine: Engine,
    pub listeners: Vec<Listener>,
    pub limits: Limits,
    pub cors: Cors,
    pub auth: Auth,
    #[serde(skip)]
    pub namespaces: Namespaces,
    pub history: History,
    pub recovery: Recovery,
    pub publish: Publish,
    pub redis: Redis,
    pub cluster: Cluster,
    pub ingest: Ingest,
    pub drain: Drain,
    /// `FANFARE_` variables that mean nothing; see [`Settings::warnings`].
    #[serde(skip)]
    unknown_variables: Vec<String>,
}

impl Settings {
    /// Types a settled tree without faults.
    ///
    /// # Errors
    /// If the table of keys and these types disagree, which tests rule out.
    pub(crate) fn new(mut value: Value, unknown_variables: Vec<String>, origins: &Origins) -> Result<Self, Fault> {
        let disagree = |problem: String| Fault {
            origin: Origin::Default,
            path: String::new(),
            problem: format!("the table of keys and the settings disagree: {problem}"),
            cure: "report this as a fault of the gateway".into(),
        };
        let namespaces = value.get_mut("namespaces").map(Value::take).unwrap_or_default();
        let namespaces = Namespaces::new(namespaces, origins).map_err(disagree)?;
        // Errors of serde quote values; here those may be secrets.
        let settings: Self = serde_json::from_value(value).map_err(|_| disagree("a type".into()))?;
        Ok(Self { namespaces, unknown_variables, ..settings })
    }

    /// All doors for clients, the first one first.
    pub fn listeners(&self) -> Vec<Listener> {
        let first = Listener { listen: self.listen, engine: self.engine.clone() };
        std::iter::once(first).chain(self.listeners.iter().cloned()).collect()
    }
}

fn tenant<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tenant, D::Error> {
    let name = String::deserialize(deserializer)?;
    Tenant::new(&name).ok_or_else(|| serde::de::Error::custom("not a tenant"))
}
