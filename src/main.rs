//! The `fanfare` binary: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser as _;
use fanfare::app::cli::{Cli, Command};
use fanfare::app::{check, doctor, health, publish, run, tail, token};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One crypto provider for everything that speaks TLS; a second installation would only say that there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Cli::parse().chosen() {
        Command::Serve(serve) => run::serve(serve.into()),
        Command::Check(check) => check::run(&check),
        Command::Token(token) => token::run(&token),
        Command::Publish(publish) => at_once(publish::run(publish)),
        Command::Tail(tail) => at_once(tail::run(tail)),
        Command::Doctor(doctor) => at_once(doctor::run(doctor)),
        Command::Health(health) => at_once(health::run(health)),
    }
}

/// Runs a command that waits for others.
fn at_once(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            eprintln!("fanfare: the system gave no event loop: {error}");
            ExitCode::FAILURE
        }
    }
}
