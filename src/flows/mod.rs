//! What happens to the gateway, one room per thing.

pub mod deliver;
