//! What the events of clients do in a namespace: the compiled rules of one namespace, and the verbs built into every gateway.
//!
//! Kept here: reading the rules from configuration, reading verbs from packets, the words of acks and refusals. Not kept here: doing
//! anything. A rule says what should happen; `flows/` makes it happen, and asks `auth/` first whether it may.
//!
//! Invariant: a [`Contract`] in hand is complete and sound. Whatever was wrong with it was said when it was compiled, before a port
//! opened. A configured event wins over a verb of the same name.

mod compile;
mod expression;
mod refusal;
mod rule;
mod verb;

pub use compile::RuleFault;
pub use expression::Expression;
pub use refusal::{Code, ok, refusal};
pub use rule::{Action, Contract, Emit, Rule};
pub use verb::{Verb, VerbError, VerbLimits, VerbName};
