//! The answers given to idempotent publishes, for as long as they may be asked for again.

use std::collections::{BTreeSet, HashMap};

use crate::backplane::{Idempotency, PublishError, Receipt};

#[derive(Default)]
pub(super) struct Answers {
    by_key: HashMap<String, Answer>,
    /// Keys by expiry.
    expiry: BTreeSet<(u64, String)>,
}

struct Answer {
    digest: String,
    receipt: Receipt,
}

impl Answers {
    /// The first answer under this key, marked as a duplicate.
    pub(super) fn find(&self, asked: &Idempotency) -> Result<Option<Receipt>, PublishError> {
        match self.by_key.get(&asked.key) {
            None => Ok(None),
            Some(answer) if answer.digest != asked.digest => Err(PublishError::Conflict),
            Some(answer) => Ok(Some(Receipt { duplicate: true, ..answer.receipt.clone() })),
        }
    }

    pub(super) fn keep(&mut self, asked: Idempotency, receipt: Receipt, expires_ms: u64) {
        if self.by_key.len() >= ANSWERS_MAX {
            self.forget_oldest();
        }
        self.expiry.insert((expires_ms, asked.key.clone()));
        self.by_key.insert(asked.key, Answer { digest: asked.digest, receipt });
    }

    pub(super) fn expire(&mut self, now_ms: u64) {
        while self.expiry.first().is_some_and(|(expires_ms, _)| *expires_ms <= now_ms) {
            self.forget_oldest();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.expiry.pop_first() {
            self.by_key.remove(&key);
        }
    }
}

/// Bounds the memory of one partition (about 100 MiB); at the default lifetime of ten minutes it is 800 publishes a second.
const ANSWERS_MAX: usize = 500_000;
