//! `fanfare tail`: connects as a client over long-polling and prints events as they come.

mod line;
mod session;

use std::process::ExitCode;
use std::time::Duration;

use session::{End, Session};

use super::cli::Tail;
use super::terminal::{Failure, complain, say};
use crate::clock::Clock;
use crate::flows::random;

/// Prints until Ctrl-C, until the gateway refuses, or until nobody reads.
pub async fn run(args: Tail) -> ExitCode {
    let clock = Clock::start();
    let print = |event: &line::Event<'_>| say(&line::line(clock.wall_ms(), event));
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
        outcome = follow(&args, print, pause) => match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.tell(),
        },
    }
}

/// One session after the other. What fails before the first connection stood is told at once, since the address is most
/// likely wrong; later everything but a refusal is waited out.
async fn follow(
    args: &Tail,
    mut print: impl FnMut(&line::Event<'_>) -> bool,
    pause: impl Fn(u32) -> Duration,
) -> Result<(), Failure> {
    let (mut connected, mut failed) = (false, 0);
    loop {
        let end = match Session::open(args).await {
            Ok(mut session) => {
                (connected, failed) = (true, 0);
                session.follow(&mut print).await
            }
            Err(end) => end,
        };
        match end {
            End::NobodyReads => return Ok(()),
            End::Refused(failure) => return Err(failure),
            End::Lost(failure) if !connected => return Err(failure),
            End::Lost(failure) => complain(&format!("{}; connecting again", failure.what)),
            End::Later(why) => complain(&format!("{why}; trying again")),
        }
        tokio::time::sleep(pause(failed)).await;
        failed += 1;
    }
}

/// Doubles from half a second to half a minute; half of it is random, so that many do not come back at once.
fn pause(failed: u32) -> Duration {
    let whole_ms = (500_u64 << failed.min(6)).min(30_000);
    let random = u64::from(u16::from_ne_bytes(random())) * whole_ms / 2 / u64::from(u16::MAX);
    Duration::from_millis(whole_ms / 2 + random)
}

#[cfg(test)]
mod tests;
