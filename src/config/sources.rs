//! Where values come from, and which of several wins: flags, then the environment, then the file, then the defaults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fault::{Fault, Origin};
use super::keys::{self, Key};
use super::suggest;
use super::tree::Tree;

/// Everything a configuration is made of. No `Debug`: variables hold secrets.
#[derive(Clone)]
pub struct Sources<E> {
    /// The file's path, for messages and for paths relative to it, and its text.
    pub file: Option<(PathBuf, String)>,
    /// Names and values; those not meant for the gateway are passed over.
    pub environment: E,
    pub flags: Flags,
}

/// The flags of `fanfare serve` as they were typed. No `Debug`: a Redis URL holds a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub listen: Option<String>,
    pub admin: Option<String>,
    pub redis: Option<String>,
    pub advertise: Option<String>,
}

impl Flags {
    fn value_of(&self, flag: &str) -> Option<&str> {
        match flag {
            "--listen" => self.listen.as_deref(),
            "--admin" => self.admin.as_deref(),
            "--redis" => self.redis.as_deref(),
            "--advertise" => self.advertise.as_deref(),
            _ => None,
        }
    }
}

/// The sources laid over each other; types and defaults are still to come.
#[derive(Default)]
pub(crate) struct Layers {
    pub value: Value,
    pub origins: Origins,
    pub faults: Vec<Fault>,
    /// `FANFARE_` variables that mean nothing to this program.
    pub unknown_variables: Vec<String>,
    /// Whether the file could be read at all; if not, rules between keys would complain about its absence.
    pub complete: bool,
}

impl Layers {
    pub(crate) fn new<E: Iterator<Item = (String, String)>>(sources: Sources<E>) -> Self {
        let mut layers = Self { value: Value::Object(Map::new()), complete: true, ..Self::default() };
        if let Some((path, text)) = sources.file {
            layers.lay_file(path, &text);
        }
        layers.lay_environment(sources.environment);
        for key in keys::all() {
            if let Some(flag) = key.flag()
                && let Some(text) = sources.flags.value_of(flag)
            {
                layers.lay(key, text, Origin::Flag(flag));
            }
        }
        layers
    }

    fn lay_file(&mut self, path: PathBuf, text: &str) {
        let path = Arc::new(path);
        self.origins.file = Some(Arc::clone(&path));
        match Tree::parse(text) {
            Ok(tree) => {
                self.value = tree.value;
                self.origins.lines = tree.lines;
            }
            Err((line, complaint)) => {
                self.complete = false;
                let origin = Origin::File { path, line };
                self.faults.push(Fault {
                    origin,
                    path: String::new(),
                    problem: complaint.problem,
                    cure: complaint.cure,
                });
            }
        }
    }

    fn lay_environment(&mut self, environment: impl Iterator<Item = (String, String)>) {
        let variables: BTreeMap<String, String> =
            environment.filter(|(name, value)| is_ours(name) && !value.is_empty()).collect();
        let mut known = vec![CONFIG_VARIABLE.to_owned(), KEY_VARIABLE.to_owned()];
        for key in keys::all() {
            let Some(name) = key.environment() else { continue };
            for candidate in key.environment_alias().into_iter().chain([name.as_str()]) {
                if let Some(text) = variables.get(candidate) {
                    self.lay(key, text, Origin::Environment(candidate.to_owned()));
                }
            }
            known.push(name);
        }
        for name in variables.into_keys().filter(|name| name.starts_with(PREFIX) && !known.contains(name)) {
            if is_from_kubernetes(&name) {
                continue;
            }
            match suggest::nearest(&name[PREFIX.len()..], known.iter().map(|name| &name[PREFIX.len()..])) {
                Some(near) => self.faults.push(Fault {
                    origin: Origin::Environment(name),
                    path: String::new(),
                    problem: "is not a known variable".into(),
                    cure: format!("did you mean `{PREFIX}{near}`?"),
                }),
                None => self.unknown_variables.push(name),
            }
        }
    }

    /// Sets one value over what lies below. A secret and the file of that secret replace each other.
    fn lay(&mut self, key: &Key, text: &str, origin: Origin) {
        let mut place = &mut self.value;
        let (section, name) = key.path.rsplit_once('.').map_or(("", key.path), |(section, name)| (section, name));
        for part in section.split('.').filter(|part| !part.is_empty()) {
            let Some(entries) = place.as_object_mut() else { return };
            let below = entries.entry(part).or_insert_with(|| Value::Object(Map::new()));
            if below.is_null() {
                *below = Value::Object(Map::new());
            }
            place = below;
        }
        // A section that is no section is a fault of its own.
        let Some(entries) = place.as_object_mut() else { return };
        let twin = name.strip_suffix("_file").map_or_else(|| format!("{name}_file"), str::to_owned);
        entries.remove(&twin);
        entries.insert(name.to_owned(), key.kind.read(text));
        self.origins.layered.insert(key.path.to_owned(), origin);
    }
}

/// Where each value came from.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    file: Option<Arc<PathBuf>>,
    lines: BTreeMap<String, u64>,
    layered: BTreeMap<String, Origin>,
}

impl Origins {
    /// The origin of the value at `path`, or of the nearest section around it that was written.
    pub(crate) fn of(&self, path: &str) -> Origin {
        if let Some(origin) = self.layered.get(path) {
            return origin.clone();
        }
        let Some(file) = &self.file else { return Origin::Default };
        let mut around = path;
        let line = loop {
            if let Some(line) = self.lines.get(around) {
                break Some(*line);
            }
            let Some(cut) = around.rfind(['.', '[']) else { break None };
            around = &around[..cut];
        };
        Origin::File { path: Arc::clone(file), line }
    }

    /// The line of a path in the file, to keep the file's order where order counts.
    pub(crate) fn line(&self, path: &str) -> Option<u64> {
        self.lines.get(path).copied()
    }

    /// What paths in a value of this origin are relative to.
    pub(crate) fn folder(&self, path: &str) -> PathBuf {
        match self.of(path) {
            Origin::File { path, .. } => path.parent().map(Path::to_path_buf).unwrap_or_default(),
            Origin::Default | Origin::Environment(_) | Origin::Flag(_) => PathBuf::new(),
        }
    }
}

pub(crate) const CONFIG_VARIABLE: &str = "FANFARE_CONFIG";
/// Not for the server, but often set beside it.
pub(crate) const KEY_VARIABLE: &str = "FANFARE_KEY";
const PREFIX: &str = "FANFARE_";

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) || keys::all().any(|key| key.environment_alias() == Some(name))
}

/// Kubernetes puts variables for every Service into each container. With a Service named `fanfare` or `fanfare-admin` they
/// begin like ours.
fn is_from_kubernetes(name: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP"))
}
