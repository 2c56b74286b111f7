pub mod check;
pub mod cli;
pub mod doctor;
pub mod health;
pub mod publish;
mod redis_options;
pub mod tail;
mod terminal;
#[cfg(test)]
mod testing;
pub mod token;
