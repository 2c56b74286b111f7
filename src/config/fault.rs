//! What is wrong with a configuration, in words that lead to its repair.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// One thing wrong. It prints on one line and never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub origin: Origin,
    /// The key, as in `auth.issuers[0].name`; empty if the fault is not about a key.
    pub path: String,
    /// What is wrong, reading on after the path.
    pub problem: String,
    /// What to do about it.
    pub cure: String,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    File {
        path: Arc<PathBuf>,
        /// Counted from 1; `None` where the parser does not tell.
        line: Option<u64>,
    },
    /// The name of an environment variable.
    Environment(String),
    /// A flag of the command line, with its dashes.
    Flag(&'static str),
}

impl Fault {
    /// Faults are told in the order of the file, then those of the environment and of flags.
    pub(crate) fn order(&self) -> (u8, u64, String) {
        match &self.origin {
            Origin::File { line, .. } => (0, line.unwrap_or(0), self.path.clone()),
            Origin::Default => (1, 0, self.path.clone()),
            Origin::Environment(name) => (2, 0, name.clone()),
            Origin::Flag(flag) => (3, 0, (*flag).to_owned()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => {}
            Origin::File { path, line: Some(line) } => write!(f, "{}:{line}: ", path.display())?,
            Origin::File { path, line: None } => write!(f, "{}: ", path.display())?,
            Origin::Environment(name) => write!(f, "environment {name}: ")?,
            Origin::Flag(flag) => write!(f, "flag {flag}: ")?,
        }
        if !self.path.is_empty() {
            write!(f, "{} ", self.path)?;
        }
        write!(f, "{}; {}", self.problem, self.cure)
    }
}

impl std::error::Error for Fault {}

/// A problem and its cure, before it is known which place it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub problem: String,
    pub cure: String,
}

impl Complaint {
    pub(crate) fn new(problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { problem: problem.into(), cure: cure.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_that_names_place_problem_and_cure() {
        let fault = Fault {
            origin: Origin::File { path: Arc::new("fanfare.yaml".into()), line: Some(7) },
            path: "engine.ping_timeout_ms".into(),
            problem: "is 5".into(),
            cure: "write a number from 100 to 3600000".into(),
        };
        assert_eq!(
            fault.to_string(),
            "fanfare.yaml:7: engine.ping_timeout_ms is 5; write a number from 100 to 3600000"
        );
    }
}
