//! Instructions for each delivery, and for its pieces, against a reviewed record.
//!
//! Processor time depends on the neighbours, instructions do not: `callgrind` counts those of each scene, and what has grown
//! by more than a tenth over `benches/instructions.txt` fails. `cargo bench --bench instructions` compares, with
//! `-- --record` it writes the record anew, with `-- --rounds 5` it shows how far counts of the same program differ.

#[path = "instructions/callgrind.rs"]
mod callgrind;
#[path = "instructions/record.rs"]
mod record;
mod scenes;

use std::process::ExitCode;

use record::Record;
use scenes::{Entry, Scene};

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--perform", name] => perform(name),
        ["--record"] => judged(count().and_then(|now| now.write())),
        ["--rounds", rounds] => judged(rounds.parse().map_err(|_| "how many rounds?".to_owned()).and_then(spread)),
        [] => judged(count().and_then(|now| now.compare(&Record::read()?))),
        _ => judged(Err("only --record, --rounds N, or nothing at all".to_owned())),
    }
}

fn judged(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\n{why}");
            ExitCode::FAILURE
        }
    }
}

/// One scene, once to warm up and once inside [`counted`]; the only output is by how much to divide.
fn perform(name: &str) -> ExitCode {
    let Some(entry) = scenes::ALL.iter().find(|entry| entry.name == name) else { return ExitCode::FAILURE };
    let mut scene = (entry.open)();
    for _ in 0..WARM_UPS {
        scene.prepare();
        scene.perform();
    }
    scene.prepare();
    println!("{}", counted(&mut *scene));
    ExitCode::SUCCESS
}

/// Tables have grown, and what is made once is made.
const WARM_UPS: u32 = 2;

/// Callgrind looks for this function by its name.
#[inline(never)]
fn counted(scene: &mut dyn Scene) -> u64 {
    std::hint::black_box(scene.perform())
}

fn count() -> Result<Record, String> {
    let counts = scenes::ALL.iter().map(|entry| Ok((entry, callgrind::count(entry.name)?)));
    Record::of(&counts.collect::<Result<Vec<(&Entry, f64)>, String>>()?)
}

/// How far counts of the same program differ, in per cent of the smallest.
fn spread(rounds: u32) -> Result<(), String> {
    for entry in scenes::ALL {
        let counts = (0..rounds).map(|_| callgrind::count(entry.name)).collect::<Result<Vec<f64>, String>>()?;
        let (least, most) = counts.iter().fold((f64::MAX, 0.0_f64), |(least, most), c| (least.min(*c), most.max(*c)));
        println!("{:<24} {least:>10.1} {most:>10.1} {:>6.2} %", entry.name, (most / least - 1.0) * 100.0);
    }
    Ok(())
}
