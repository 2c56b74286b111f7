//! `fanfare check FILE`: everything that is wrong with a configuration file, at once.

use std::process::ExitCode;

use super::cli::Check;
use super::run::Parts;
use super::terminal::{Failure, complain, conclude};
use crate::config::{Flags, Sources, load};
use crate::flows::Application;

/// Judges the file alone, so that the verdict does not depend on who asks. Only files that its keys name are read besides.
pub fn run(args: &Check) -> ExitCode {
    conclude(check(args).map(|warnings| {
        for warning in warnings {
            complain(&format!("warning: {warning}"));
        }
        format!("{} is right", args.file.display())
    }))
}

fn check(args: &Check) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(&args.file).map_err(|error| {
        let what = format!("{} cannot be read ({})", args.file.display(), error.kind());
        Failure::usage(what, "correct the path or the rights of the file")
    })?;
    let sources =
        Sources { file: Some((args.file.clone(), text)), environment: std::iter::empty(), flags: Flags::default() };
    let settings = load(sources).map_err(|faults| Failure::faults(&faults))?;
    // What only the rooms themselves can judge: templates, patterns, keys.
    let parts = Parts::of(&settings, Application::SocketIo);
    parts.map_err(|problems| Failure::usage(problems.join("\n"), ""))?;
    Ok(settings.warnings())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, text: &str) -> Result<Vec<String>, Failure> {
        let file = std::env::temp_dir().join(format!("fanfare-check-{}-{name}.yaml", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let outcome = check(&Check { file: file.clone() });
        std::fs::remove_file(file).unwrap();
        outcome
    }

    #[test]
    fn a_file_that_is_right_passes_with_its_warnings() {
        let warnings = checked("right", "namespaces: {\"/\": {anonymous: true}}\n").unwrap();
        assert!(warnings.iter().any(|warning| warning.contains("without a token")), "{warnings:?}");
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_line() {
        let failure = checked("wrong", "lissten: 1\nengine: {ping_interval_ms: -5}\n").unwrap_err();
        assert_eq!(failure.exit, 64);
        let told = failure.to_string();
        assert!(told.contains("yaml:1: lissten") && told.contains("yaml:2: engine.ping_interval_ms"), "{told}");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_fault() {
        let failure = check(&Check { file: "/nowhere/fanfare.yaml".into() }).unwrap_err();
        assert!(failure.exit == 64 && failure.what.contains("cannot be read"), "{failure}");
    }
}
