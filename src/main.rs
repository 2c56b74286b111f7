//! The `fanfare` binary: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser as _;
use fanfare::app::cli::{Cli, Command};
use fanfare::app::run;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One crypto provider for everything that speaks TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Cli::parse().chosen() {
        Command::Serve(serve) => run::serve(serve.into()),
        _ => ExitCode::FAILURE,
    }
}
