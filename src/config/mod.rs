//! The configuration: from a YAML file, the environment and flags to typed settings.
//!
//! Kept here: the table of all keys (`keys`), reading and laying over the sources (`tree`, `sources`), checking them against the
//! table (`settle`) and against each other (`rules`), the typed result (`settings`) and its documentation (`document`). Not kept here: what
//! rooms do with their options.
//!
//! Invariant: either everything is right and there are [`Settings`], or every [`Fault`] is told at once, before a port opens. The
//! environment is read nowhere else.
//!
//! ```text
//! file ─┐
//! environment ─┼─► Layers ─► presume ─► settle ─► derive ─► rules ─► Settings
//! flags ─┘          overlaid   first        complete   derived    no faults   typed
//!                               guesses      by table   values
//! ```

mod derive;
mod document;
mod fault;
mod keys;
mod kind;
mod process;
mod rules;
mod secret;
mod settings;
mod settle;
mod shape;
mod sources;
mod suggest;
mod tree;

#[cfg(test)]
mod tests;

pub use document::document;
pub use fault::{Fault, Origin};
pub use process::{EXIT_CODE, publish_key, read_process};
pub use secret::RedisUrl;
pub use settings::{
    Auth, Cluster, Cors, Drain, Engine, History, Ingest, Issuer, IssuerKey, Limits, Listener, Log, LogFormat, LogLevel,
    NamespaceName, NamespaceSettings, Namespaces, Parser, Publish, PublishKey, Redis, Refuse, Settings, Sharded,
    Transport,
};
pub use sources::{Flags, Sources};

use keys::Schema;
use settle::Settling;
use sources::Layers;

/// Reads, checks and types a configuration.
///
/// Besides the sources, only the files that keys name are read.
///
/// # Errors
/// With every fault, those of the file first and in its order.
pub fn load<E: Iterator<Item = (String, String)>>(sources: Sources<E>) -> Result<Settings, Vec<Fault>> {
    let has_file = sources.file.is_some();
    let mut layers = Layers::new(sources);
    derive::presume(&mut layers.value, has_file);
    let schema = Schema::new();
    let mut settling = Settling::new(&schema, &layers.origins);
    let mut value = settling.settle(std::mem::take(&mut layers.value));
    derive::derive(&mut value, has_file);
    if layers.complete {
        rules::check(&value, &mut settling);
    }
    let mut faults = layers.faults;
    faults.append(&mut settling.faults);
    if faults.is_empty() {
        return Settings::new(value, layers.unknown_variables, &layers.origins).map_err(|fault| vec![fault]);
    }
    faults.sort_by_key(Fault::order);
    Err(faults)
}
