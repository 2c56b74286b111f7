//! Acks that a client was asked for and has not sent yet.

use std::sync::Arc;

use crate::contract::Emit;

/// One socket's questions under way; it owns no heap while there is none.
#[derive(Debug, Default)]
pub struct Asked {
    next_id: u64,
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    id: u64,
    until_ms: u64,
    answer: Arc<Emit>,
}

/// How long an ack is waited for.
const EXPIRY_MS: u64 = 30_000;

impl Asked {
    /// Notes a question; returns the id that goes with it. `None` if the client owes `most` acks already: then it is not
    /// asked again.
    pub fn ask(&mut self, answer: &Arc<Emit>, most: usize, now_ms: u64) -> Option<u64> {
        self.pending.retain(|pending| pending.until_ms > now_ms);
        if self.pending.len() >= most {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.pending.push(Pending { id, until_ms: now_ms + EXPIRY_MS, answer: Arc::clone(answer) });
        Some(id)
    }

    /// What is to follow an ack; `None` for an id that nobody waits for (any more): it is passed over, as the reference does.
    pub fn answered(&mut self, id: u64, now_ms: u64) -> Option<Arc<Emit>> {
        let index = self.pending.iter().position(|pending| pending.id == id)?;
        let pending = self.pending.swap_remove(index);
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        (pending.until_ms > now_ms).then_some(pending.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Expression;

    fn answer() -> Arc<Emit> {
        Arc::new(Emit { event: "heard".into(), args: Expression::Args, answer: None })
    }

    #[test]
    fn an_ack_is_taken_once_and_in_time() {
        let mut asked = Asked::default();
        let first = asked.ask(&answer(), 2, 0).unwrap();
        let second = asked.ask(&answer(), 2, 0).unwrap();
        assert!(asked.answered(first, 1).is_some());
        assert!(asked.answered(first, 1).is_none(), "a second ack of the same id");
        assert!(asked.answered(second, EXPIRY_MS).is_none(), "too late");
        assert!(asked.answered(99, 1).is_none());
    }

    #[test]
    fn a_client_that_never_answers_is_not_asked_without_end() {
        let mut asked = Asked::default();
        assert!(asked.ask(&answer(), 1, 0).is_some());
        assert!(asked.ask(&answer(), 1, 10).is_none());
        assert!(asked.ask(&answer(), 1, EXPIRY_MS).is_some(), "what is overdue makes room");
    }
}
