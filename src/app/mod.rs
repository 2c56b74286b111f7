//! The process: from settings to running services, and the commands around it.
//!
//! Kept here: wiring, start and stop, one file for each command. Everything that decides something lives further down.

pub mod build;
pub mod check;
pub mod cli;
pub mod doctor;
pub mod health;
mod middle;
pub mod publish;
pub mod run;
mod stop;
pub mod tail;
mod terminal;
#[cfg(test)]
mod testing;
pub mod token;
