//! The one place that asks the process for its environment and opens the configuration file.

#![expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]

use std::path::PathBuf;

use super::fault::{Fault, Origin};
use super::sources::{CONFIG_VARIABLE, Flags, KEY_VARIABLE, Sources};
use super::{Settings, load};
use crate::auth::Secret;

/// What a process with a faulty configuration exits with: `EX_USAGE` of sysexits.
pub const EXIT_CODE: u8 = 64;

/// The key that `fanfare publish` shows the gateway when no flag gives one.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn publish_key() -> Option<Secret> {
    let key = std::env::var(KEY_VARIABLE).ok()?;
    (!key.is_empty()).then(|| Secret::from(key))
}

/// Loads the configuration of this process: the file of `--config` or `FANFARE_CONFIG`, the environment and the flags.
///
/// # Errors
/// With every fault; a file that cannot be read is one.
pub fn read_process(flags: Flags) -> Result<Settings, Vec<Fault>> {
    // Variables that are not Unicode cannot be meant for us: all our values are text.
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let named = |path: &PathBuf| (Origin::Flag("--config"), path.clone());
    let chosen = flags.config.as_ref().map(named).or_else(|| {
        let (_, path) = environment.iter().find(|(name, value)| name == CONFIG_VARIABLE && !value.is_empty())?;
        Some((Origin::Environment(CONFIG_VARIABLE.into()), PathBuf::from(path)))
    });
    let file = match chosen {
        None => None,
        Some((origin, path)) => match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(error) => {
                return Err(vec![Fault {
                    origin,
                    path: String::new(),
                    problem: format!("{} cannot be read ({})", path.display(), error.kind()),
                    cure: "correct the path or the rights of the file".into(),
                }]);
            }
        },
    };
    load(Sources { file, environment: environment.into_iter(), flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_publishers_key_may_be_set_beside_a_server() {
        let environment = [(KEY_VARIABLE.to_owned(), "k".to_owned())].into_iter();
        let settings = load(Sources { file: None, environment, flags: Flags::default() }).unwrap();
        assert!(!settings.warnings().iter().any(|warning| warning.contains(KEY_VARIABLE)));
    }
}
