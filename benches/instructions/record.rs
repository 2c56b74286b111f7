//! The reviewed figures, and what a change of them means.

use std::fmt::Write as _;
use std::process::Command;

use crate::scenes::Entry;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
const ANEW: &str = "cargo bench --bench instructions -- --record";
/// In per cent.
const GROWTH_MAX: f64 = 10.0;

/// Instructions for each unit of every scene, and what compiled them.
pub struct Record {
    toolchain: String,
    figures: Vec<Figure>,
}

struct Figure {
    name: String,
    unit: String,
    count: f64,
}

impl Record {
    pub fn of(counts: &[(&Entry, f64)]) -> Result<Self, String> {
        let figure = |(entry, count): &(&Entry, f64)| Figure {
            name: entry.name.to_owned(),
            unit: entry.unit.to_owned(),
            count: *count,
        };
        Ok(Self { toolchain: toolchain()?, figures: counts.iter().map(figure).collect() })
    }

    pub fn read() -> Result<Self, String> {
        let text = std::fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}; write it: {ANEW}"))?;
        let mut record = Self { toolchain: String::new(), figures: Vec::new() };
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            if let Some(toolchain) = line.strip_prefix("toolchain: ") {
                toolchain.clone_into(&mut record.toolchain);
                continue;
            }
            let mut words = line.split_whitespace();
            let figure = (|| {
                let (name, count) = (words.next()?.to_owned(), words.next()?.replace(',', "").parse().ok()?);
                Some(Figure { name, count, unit: words.last().unwrap_or_default().to_owned() })
            })();
            record.figures.push(figure.ok_or_else(|| format!("{PATH}: what does {line:?} mean?"))?);
        }
        Ok(record)
    }

    pub fn write(&self) -> Result<(), String> {
        let mut text = String::from(HEAD);
        let _ = writeln!(text, "toolchain: {}\n", self.toolchain);
        for figure in &self.figures {
            let _ = writeln!(text, "{:<24} {:>10.1}  per {}", figure.name, figure.count, figure.unit);
        }
        std::fs::write(PATH, &text).map_err(|error| format!("{PATH}: {error}"))?;
        println!("{text}");
        Ok(())
    }

    /// Prints both, and fails with what has grown too much or is in one of them only.
    pub fn compare(&self, recorded: &Self) -> Result<(), String> {
        let (mut grown, mut shrunk) = (Vec::new(), false);
        println!("{:<24} {:>10} {:>10}", "instructions", "recorded", "now");
        for now in &self.figures {
            let Some(before) = recorded.figures.iter().find(|before| before.name == now.name) else {
                grown.push(format!("{} is not in the record", now.name));
                continue;
            };
            let change = (now.count / before.count - 1.0) * 100.0;
            println!("{:<24} {:>10.1} {:>10.1} {change:>+7.1} %  per {}", now.name, before.count, now.count, now.unit);
            shrunk |= change < -GROWTH_MAX;
            if change > GROWTH_MAX {
                grown.push(format!("{} has grown by {change:.1} %, more than {GROWTH_MAX} %", now.name));
            }
        }
        let gone = recorded.figures.iter().filter(|before| self.figures.iter().all(|now| now.name != before.name));
        grown.extend(gone.map(|before| format!("{} is in the record and is no scene any more", before.name)));
        let foreign = self.toolchain != recorded.toolchain;
        if foreign {
            println!("recorded with {}, now {}", recorded.toolchain, self.toolchain);
        }
        if grown.is_empty() {
            if shrunk || foreign {
                println!("the record can be brought up to date: {ANEW}");
            }
            return Ok(());
        }
        let cause = if foreign {
            "The toolchain differs from the record's, which may be the whole reason: record the commit before this one\n\
             with today's toolchain, and compare with that."
        } else {
            "If that is the price of something worth it, say so in the commit and record it."
        };
        Err(format!("{}\n{cause}\n{ANEW}", grown.join("\n")))
    }
}

/// What decides about the instructions beside the source: compiler and processor family.
fn toolchain() -> Result<String, String> {
    let output = Command::new("rustc").arg("--version").output().map_err(|error| format!("rustc: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(format!("{version}, {}", std::env::consts::ARCH))
}

const HEAD: &str = "\
# Instructions of the hot path, as callgrind counts them: `tests/run` fails when one of these grows by more than a tenth.
# Written by `cargo bench --bench instructions -- --record`; docs/performance.md tells what each scene does.

";
