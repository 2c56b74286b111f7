//! What was found, beside what must hold: one table for people, JSON for machines.

mod bars;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;

use crate::clock::{SECOND_NS, now_ns};
use crate::course::{Figures, ratio};
use crate::machine;
use crate::model::Point;
use crate::target::Target;
use bars::{Better, Limit, ROWS, Row};

#[derive(Default)]
pub struct Report {
    values: BTreeMap<(String, Target), f64>,
    figures: BTreeMap<(String, Target), Figures>,
    missing: BTreeMap<Target, String>,
    /// Rows that could not be measured, and why.
    skipped: BTreeMap<String, String>,
    points: Vec<Point>,
    failed: Vec<String>,
    faults: Vec<String>,
    load_before: String,
}

/// A line for whoever waits.
pub fn progress(line: &str) {
    eprintln!("{:>6.1} s  {line}", ratio(now_ns(), SECOND_NS));
}

impl Report {
    pub fn new() -> Self {
        Self { load_before: machine::load_average(), ..Self::default() }
    }

    /// A value with the measurement behind it.
    pub fn measured(&mut self, row: &str, target: Target, value: f64, figures: &Figures) {
        let faults = [
            ("lost", figures.lost),
            ("duplicate", figures.duplicates),
            ("reordered", figures.reordered),
            ("stalls", figures.stalls),
            ("refusals", figures.complaints),
        ];
        for (what, count) in faults.into_iter().filter(|(_, count)| *count > 0) {
            let words = if what == "refusals" { format!(" ({})", figures.complaint.trim()) } else { String::new() };
            self.faults.push(format!("{row}: {}: {count} {what}{words}", target.name()));
        }
        if self.derived(row, target, value) {
            self.figures.insert((row.to_owned(), target), figures.clone());
        }
    }

    /// Of several rounds the quietest counts. Answers whether this one does.
    pub fn derived(&mut self, row: &str, target: Target, value: f64) -> bool {
        let key = (row.to_owned(), target);
        let best = self.values.get(&key).is_none_or(|before| match bars::better(row) {
            Better::Lower => value < *before,
            Better::Higher => value > *before,
        });
        if best {
            self.values.insert(key, value);
        }
        best
    }

    pub fn missing(&mut self, target: Target, why: &str) {
        self.missing.insert(target, why.to_owned());
    }

    /// What the row asks for, the gateway does not do.
    pub fn skipped(&mut self, row: &str, why: &str) {
        progress(&format!("{row} is not measured: {why}"));
        self.skipped.insert(row.to_owned(), why.to_owned());
    }

    /// What the cost model is made from and checked against.
    pub fn point(&mut self, point: Point) {
        progress(&point.to_string());
        self.points.push(point);
    }

    pub fn failed(&mut self, row: &str, target: Target, error: &anyhow::Error) {
        progress(&format!("{row}: {} failed: {error:#}", target.name()));
        self.failed.push(format!("{row}: {}: {error:#}", target.name()));
    }

    fn value(&self, row: &str, target: Target) -> Option<f64> {
        self.values.get(&(row.to_owned(), target)).copied()
    }

    fn targets(&self) -> Vec<Target> {
        let measured: BTreeSet<Target> = self.values.keys().map(|(_, target)| *target).collect();
        measured.into_iter().filter(|target| *target != Target::Fanfare).collect()
    }

    /// The table of figures, bars, verdicts and peers, then what went wrong.
    pub fn table(&self) -> String {
        let targets = self.targets();
        let mut cells = vec!["figure", "fanfare", "bar", "verdict"];
        cells.extend(targets.iter().map(|target| target.name()));
        let mut text = format!("| {} |\n|{}\n", cells.join(" | "), "---|".repeat(cells.len()));
        for row in ROWS {
            let of_row: Vec<Option<f64>> = targets.iter().map(|target| self.value(row.id, *target)).collect();
            let own = self.value(row.id, Target::Fanfare);
            let skipped = self.skipped.contains_key(row.id);
            if own.is_none() && !skipped && of_row.iter().all(Option::is_none) {
                continue;
            }
            let (bar, verdict) = self.verdict(row, own);
            let mut cells = vec![row.label.to_owned(), number(own), bar, verdict.to_owned()];
            cells.extend(of_row.into_iter().map(number));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text += &self.remarks();
        text
    }

    fn verdict(&self, row: &Row, own: Option<f64>) -> (String, &'static str) {
        let Some((limit, words)) = row.bar.limit(|target| self.value(row.id, target)) else {
            return (row.bar.words(), "");
        };
        let verdict = match own {
            None => "not measured",
            Some(own) if limit.admits(own) => "holds",
            Some(_) => "MISSED",
        };
        (words, verdict)
    }

    fn remarks(&self) -> String {
        let mut text = String::from("\n");
        for (target, why) in &self.missing {
            let _ = writeln!(text, "- missing: {}: {why}", target.name());
        }
        for (row, why) in &self.skipped {
            let _ = writeln!(text, "- not measured: {row}: {why}");
        }
        for line in &self.failed {
            let _ = writeln!(text, "- failed: {line}");
        }
        for line in &self.faults {
            let _ = writeln!(text, "- delivery: {line}");
        }
        if self.faults.is_empty() && !self.figures.is_empty() {
            text += "- delivery: nothing lost, duplicated or out of order in any measurement\n";
        }
        let worst = self.figures.values().map(|figures| figures.foreign_busy + figures.steal).fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "- machine: Linux {}, load average {} before and {} after; others took up to {:.0} % of the server's core",
            machine::kernel(),
            self.load_before,
            machine::load_average(),
            worst * 100.0
        );
        text
    }

    pub fn json(&self) -> serde_json::Value {
        let rows: Vec<_> =
            self.values.iter().map(|((row, target), value)| self.row_json(row, *target, *value)).collect();
        let missing: BTreeMap<_, _> = self.missing.iter().map(|(target, why)| (target.name(), why)).collect();
        json!({
            "kernel": machine::kernel(),
            "loadBefore": self.load_before,
            "loadAfter": machine::load_average(),
            "rows": rows,
            "missing": missing,
            "notMeasured": self.skipped,
            "points": self.points.iter().map(Point::json).collect::<Vec<_>>(),
            "failed": self.failed,
            "delivery": self.faults,
        })
    }

    fn row_json(&self, row: &str, target: Target, value: f64) -> serde_json::Value {
        let mut entry = json!({ "row": row, "target": target.name(), "value": value });
        if let Some(known) = ROWS.iter().find(|known| known.id == row).filter(|_| target == Target::Fanfare) {
            let (bar, verdict) = self.verdict(known, Some(value));
            entry["bar"] = json!(bar);
            entry["verdict"] = json!(verdict);
        }
        if let Some(figures) = self.figures.get(&(row.to_owned(), target)) {
            entry["figures"] = json!({
                "cpuUsMin": figures.cpu_us_min, "cpuUsMedian": figures.cpu_us_median,
                "deliveriesPerS": figures.deliveries_per_s, "messagesPerS": figures.messages_per_s,
                "framesPerRead": figures.frames_per_read,
                "p50Ms": figures.p50_ms, "p99Ms": figures.p99_ms, "maxMs": figures.max_ms,
                "serverBusy": figures.server_busy, "foreignBusy": figures.foreign_busy, "steal": figures.steal,
                "lost": figures.lost, "duplicates": figures.duplicates, "reordered": figures.reordered,
                "stalls": figures.stalls, "complaints": figures.complaints,
            });
        }
        entry
    }

    /// Whether every bar that was looked at holds and nothing was lost.
    pub fn holds(&self) -> bool {
        let missed = ROWS.iter().any(|row| self.verdict(row, self.value(row.id, Target::Fanfare)).1 == "MISSED");
        !missed && self.failed.is_empty() && !self.faults.iter().any(|fault| fault.contains(": fanfare"))
    }
}

/// Three digits or so.
fn number(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

impl Limit {
    fn admits(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}
