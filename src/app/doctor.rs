//! `fanfare doctor`: examines what a gateway would need here, and names the cure for what is wrong.

mod machine;

use std::process::ExitCode;

use super::build::redis_options;
use super::cli::Doctor;
use super::run::Parts;
use super::terminal::{one_line, say};
use crate::config::{Flags, Settings, read_process};
use crate::flows::{Application, random};
use crate::ids::NodeId;
use crate::redis::{self, Finding, Verdict};

/// A line for each thing looked at. Exits with 1 if anything is a fault.
pub async fn run(args: Doctor) -> ExitCode {
    let findings = examine(args).await;
    for finding in &findings {
        say(&line(finding));
    }
    if findings.iter().any(|finding| finding.verdict == Verdict::Fault) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn examine(args: Doctor) -> Vec<Finding> {
    let flags = Flags { config: args.config, redis: args.redis, ..Flags::default() };
    let settings = match read_process(flags) {
        Ok(settings) => settings,
        Err(faults) => {
            let mut findings: Vec<Finding> = faults.iter().map(|told| fault(told.to_string(), "")).collect();
            findings.push(warning("nothing else was looked at", "correct the configuration first"));
            return findings;
        }
    };
    let mut findings = configuration(&settings);
    findings.extend(machine::ports(&settings).await);
    findings.push(machine::open_files(&settings));
    match redis_options(&settings, NodeId::from_random(random())) {
        Some(options) => findings.extend(redis::examine(&options).await),
        None => findings.push(ok("no Redis: the embedded backplane, one node alone")),
    }
    findings
}

fn configuration(settings: &Settings) -> Vec<Finding> {
    let mut findings: Vec<Finding> = match Parts::of(settings, Application::SocketIo) {
        Ok(_) => vec![ok("the configuration is right")],
        Err(problems) => problems.iter().map(|problem| fault(problem, "correct the configuration")).collect(),
    };
    findings.extend(settings.warnings().into_iter().map(|told| warning(told, "")));
    findings
}

fn line(finding: &Finding) -> String {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok     ",
        Verdict::Warning => "warning",
        Verdict::Fault => "fault  ",
    };
    let what = one_line(&finding.what);
    if finding.cure.is_empty() {
        format!("{verdict}  {what}")
    } else {
        format!("{verdict}  {what} — {}", finding.cure)
    }
}

fn ok(what: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Ok, what: what.into(), cure: String::new() }
}

fn warning(what: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Warning, what: what.into(), cure: cure.into() }
}

fn fault(what: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Fault, what: what.into(), cure: cure.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_verdict_finding_and_cure() {
        assert_eq!(line(&ok("Redis 7.2.4")), "ok       Redis 7.2.4");
        assert_eq!(line(&fault("the port\nis taken", "free it")), "fault    the port is taken — free it");
    }

    #[tokio::test]
    async fn a_faulty_configuration_is_all_there_is_to_say() {
        let args = Doctor { config: Some("/nowhere/fanfare.yaml".into()), redis: None };
        let findings = examine(args).await;
        assert!(findings[0].verdict == Verdict::Fault && findings[0].what.contains("/nowhere"), "{findings:?}");
        assert_eq!(findings.len(), 2);
    }
}
