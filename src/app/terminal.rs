//! What commands write: results to standard output, everything else to standard error.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::{EXIT_CODE, Fault};

/// Why a command did not do what it was asked to: the cause, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub what: String,
    /// Empty where there is nothing to say.
    pub cure: String,
    pub exit: u8,
}

impl Failure {
    pub fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), cure: cure.into(), exit: 1 }
    }

    /// What was typed or configured is wrong.
    pub fn usage(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { exit: EXIT_CODE, ..Self::new(what, cure) }
    }

    /// All faults of a configuration, one a line.
    pub fn faults(faults: &[Fault]) -> Self {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Self::usage(lines.join("\n"), "")
    }

    /// Says it, and gives the code to exit with.
    pub fn tell(&self) -> ExitCode {
        complain(&self.to_string());
        ExitCode::from(self.exit)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.cure.is_empty() { Ok(()) } else { write!(f, "; {}", self.cure) }
    }
}

/// One line of the result. False if nobody reads any more, as behind `| head`; `println!` would panic then.
pub(super) fn say(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// One line about the result.
pub(super) fn complain(line: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A result on standard output, or the failure on standard error.
pub(super) fn conclude(outcome: Result<String, Failure>) -> ExitCode {
    match outcome {
        Ok(result) => {
            say(&result);
            ExitCode::SUCCESS
        }
        Err(failure) => failure.tell(),
    }
}

/// Text from elsewhere on one line, unable to steer the terminal. Within JSON the meaning stays: control characters below
/// the space stand only between its tokens, the others only in its strings.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0'..' ' => line.push(' '),
            // A write to a `String` cannot fail.
            _ if character.is_control() => drop(write!(line, "\\u{:04x}", u32::from(character))),
            _ => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_on_its_line_and_steers_nothing() {
        assert_eq!(one_line("{\"a\":\n\u{1b}1,\"b\":\"\u{9b}é\"}"), "{\"a\":  1,\"b\":\"\\u009bé\"}");
    }

    #[test]
    fn a_failure_names_cause_and_cure() {
        assert_eq!(Failure::new("it broke", "mend it").to_string(), "it broke; mend it");
        assert_eq!(Failure::usage("it broke", "").to_string(), "it broke");
    }
}
