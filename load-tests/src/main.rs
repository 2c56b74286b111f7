//! Measures the gateway: fan-out, connections, latency and memory, beside the floor and its peers in the same run.
//!
//! One thread, one epoll, no share in the gateway's code: what it counts does not depend on what it measures. `run` beside
//! this crate installs the peers, builds everything and pins the process; `docs/performance.md` tells the method.

mod clock;
mod course;
mod crowd;
mod floor;
mod machine;
mod mark;
mod model;
mod process;
mod publish;
mod report;
mod scenario;
mod target;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use report::Report;
use scenario::{Bench, Profile, Scenario};
use target::{Places, Target};

#[derive(Parser)]
#[command(name = "fanfare-load", about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs scenarios and prints the table.
    Measure(Measure),
    /// Says how much processor a load takes, and how many nodes and shards users need.
    Model(model::Options),
    /// Is the floor: a server that only writes.
    Floor(floor::Options),
}

#[derive(clap::Args)]
struct Measure {
    #[arg(long, value_enum, default_value = "laptop")]
    profile: Profile,
    /// Only these scenarios.
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Everything so many times over, of which the quietest counts: for a machine that others use too.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Only these targets.
    #[arg(long, value_enum, value_delimiter = ',')]
    target: Vec<Target>,
    #[arg(long, default_value = "target/release/fanfare")]
    gateway: PathBuf,
    #[arg(long, default_value = "load-tests/peers")]
    peers: PathBuf,
    #[arg(long, default_value = "load-tests/peers/socketioxide/target/release/socketioxide-peer")]
    socketioxide: PathBuf,
    #[arg(long, default_value = "load-tests/peers/.venv/bin/nats-server")]
    nats: PathBuf,
    #[arg(long, default_value = "/usr/lib/nginx/modules/ngx_nchan_module.so")]
    nchan_module: PathBuf,
    /// Where the results go as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Floor(options) => floor::serve(&options).map(|()| ExitCode::SUCCESS),
        Command::Measure(measure) => run(measure),
        Command::Model(options) => model::run(&options).map(|()| ExitCode::SUCCESS),
    }
}

fn run(measure: Measure) -> anyhow::Result<ExitCode> {
    if measure.profile == Profile::Cluster {
        println!("k6 run {}", measure.peers.join("k6/fanfare.js").display());
        return Ok(ExitCode::SUCCESS);
    }
    let folder = process::Folder::new()?;
    let whole = |path: PathBuf| std::path::absolute(path);
    let places = Places {
        gateway: whole(measure.gateway)?,
        peers: whole(measure.peers)?,
        socketioxide: whole(measure.socketioxide)?,
        nats: whole(measure.nats)?,
        nchan_module: measure.nchan_module,
        folder: folder.path().to_owned(),
    };
    let mut report = Report::new();
    let targets = if measure.target.is_empty() { measure.profile.targets() } else { measure.target };
    let scenarios = if measure.scenario.is_empty() { Scenario::for_the_table() } else { measure.scenario };
    let rounds = scenarios.iter().flat_map(|scenario| std::iter::repeat_n(*scenario, measure.rounds as usize));
    for scenario in rounds {
        scenario.run(&mut Bench {
            places: &places,
            profile: measure.profile,
            targets: targets.clone(),
            report: &mut report,
        });
    }
    println!("{}", report.table());
    if let Some(path) = measure.json {
        std::fs::write(path, serde_json::to_string_pretty(&report.json())?)?;
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
