//! The process: from settings to running services, and the commands around it.
//!
//! Kept here: wiring, start and stop, one file for each command. Everything that decides something lives further down.

pub mod build;
pub mod cli;
pub mod run;
