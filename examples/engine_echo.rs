//! Engine.IO alone at `/engine.io/`, echoing every message; for the official Engine.IO suite and RFC 6455 conformance runs.
//!
//! `cargo run --example engine_echo -- --listen 127.0.0.1:3000`, with `--redis URL` for several nodes

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use fanfare::app::run::{Parts, run};
use fanfare::config::{Flags, Sources, load};
use fanfare::flows::Application;
use fanfare::hub::Content;
use fanfare::session::Received;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    #[arg(long)]
    redis: Option<String>,
}

const SETTINGS: &str = "
engine: { path: /engine.io/, ping_interval_ms: 300, ping_timeout_ms: 200, max_payload_bytes: 1000000 }
limits: { outbox_bytes: 16000000 }
development: true
";

fn main() -> ExitCode {
    let Arguments { listen, redis } = Arguments::parse();
    let flags =
        Flags { listen: Some(listen.to_string()), admin: Some("127.0.0.1:0".into()), redis, ..Flags::default() };
    let file = Some(("engine_echo.yaml".into(), SETTINGS.to_owned()));
    let settings = match load(Sources { file, environment: std::iter::empty(), flags }) {
        Ok(settings) => settings,
        Err(faults) => {
            for fault in faults {
                eprintln!("{fault}");
            }
            return ExitCode::FAILURE;
        }
    };
    let parts = Parts::of(&settings, Application::Messages(echo)).expect("the settings above are sound");
    match run(&settings, parts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn echo(received: Received) -> Option<Content> {
    match received {
        Received::Text(text) => Some(Content::Engine(format!("4{text}").into())),
        Received::Binary(bytes) => Some(Content::Binary(bytes)),
        _ => None,
    }
}
