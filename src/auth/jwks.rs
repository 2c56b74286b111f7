//! The cached keys of one JWKS address.
//!
//! A key set is fetched when a token names a key that is not there, and when the set is ten minutes old, so that a key
//! taken back does not live on. Whatever tokens arrive, a fetch starts at most every [`FETCH_INTERVAL_MS`], and all who need
//! its result share it. A failed fetch leaves the keys as they are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use jsonwebtoken::jwk::Jwk;

use super::key::Key;
use super::options::Algorithm;
use super::refusal::Refusal;

/// Shortest time between the starts of two fetches of one address, after success and after failure, in milliseconds.
pub const FETCH_INTERVAL_MS: u64 = 30_000;

/// Largest key set, in bytes. The port's implementation should stop reading there.
pub const KEYS_BYTES_MAX: usize = 256 * 1024;

/// Age at which a key set is fetched again though nothing is missing.
const STALE_AFTER_MS: u64 = 600_000;

/// Most keys of a set that are used; issuers have two or three.
const KEYS_MAX: usize = 64;

/// The port through which key sets come in.
pub trait FetchKeys: Send + Sync {
    /// The body found at `url`, at most [`KEYS_BYTES_MAX`] long. The implementation sets a deadline of a few seconds.
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<String, FetchError>>;
}

/// Why a key set could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("the deadline passed")]
    Timeout,
    #[error("no connection could be made, or it broke")]
    Connection,
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the answer is longer than {KEYS_BYTES_MAX} bytes or is no text")]
    Body,
}

/// Shared by all workers, for they all verify with the same keys: readers load a pointer, and the lock is only taken to
/// start or join a fetch, never across an await.
pub(super) struct Jwks {
    url: Arc<str>,
    algorithms: Arc<[Algorithm]>,
    port: Arc<dyn FetchKeys>,
    held: Arc<Held>,
    gate: Mutex<Gate>,
}

struct Held {
    keys: ArcSwapOption<KeySet>,
    last_failed: AtomicBool,
}

struct KeySet {
    by_kid: HashMap<String, Arc<Key>>,
    all: Vec<Arc<Key>>,
    fetched_at_ms: u64,
}

#[derive(Default)]
struct Gate {
    started_at_ms: Option<u64>,
    flight: Option<Flight>,
}

type Flight = Shared<BoxFuture<'static, ()>>;

impl Jwks {
    pub fn new(url: &str, algorithms: &[Algorithm], port: Arc<dyn FetchKeys>) -> Self {
        let held = Held { keys: ArcSwapOption::empty(), last_failed: AtomicBool::new(false) };
        Self {
            url: url.into(),
            algorithms: algorithms.into(),
            port,
            held: Arc::new(held),
            gate: Mutex::new(Gate::default()),
        }
    }

    /// The key a token names. A token without `kid` is served if exactly one key has its algorithm.
    pub async fn key(&self, kid: Option<&str>, algorithm: Algorithm, now_ms: u64) -> Result<Arc<Key>, Refusal> {
        if let Some(key) = self.held.find(kid, algorithm) {
            if !self.held.is_stale(now_ms) {
                return Ok(key);
            }
            // Only the one who starts the fetch waits for it; all others are served from the old set meanwhile.
            let Some(flight) = self.start(now_ms) else { return Ok(key) };
            flight.await;
        } else if let Some(flight) = self.start_or_join(now_ms) {
            flight.await;
        }
        self.held.find(kid, algorithm).ok_or_else(|| self.held.why_missing())
    }

    /// Fetches the keys ahead of the first token.
    pub async fn warm(&self, now_ms: u64) -> Result<(), Refusal> {
        if self.held.keys.load().is_none()
            && let Some(flight) = self.start_or_join(now_ms)
        {
            flight.await;
        }
        if self.held.keys.load().is_some() { Ok(()) } else { Err(Refusal::KeysUnavailable) }
    }

    fn start(&self, now_ms: u64) -> Option<Flight> {
        self.gate().start(now_ms, || self.flight(now_ms))
    }

    fn start_or_join(&self, now_ms: u64) -> Option<Flight> {
        let mut gate = self.gate();
        gate.start(now_ms, || self.flight(now_ms)).or_else(|| gate.join())
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, Gate> {
        // Nothing inside the lock panics half-way through a change.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flight(&self, now_ms: u64) -> Flight {
        let (url, algorithms) = (Arc::clone(&self.url), Arc::clone(&self.algorithms));
        let (port, held) = (Arc::clone(&self.port), Arc::clone(&self.held));
        let flight = async move {
            let fetched = port.fetch(&url).await.ok().and_then(|body| KeySet::parse(&body, &algorithms, now_ms));
            held.last_failed.store(fetched.is_none(), Ordering::Release);
            if let Some(keys) = fetched {
                held.keys.store(Some(Arc::new(keys)));
            }
        };
        flight.boxed().shared()
    }
}

impl Gate {
    /// A flight which all its passengers left half-way stands still. Later ones may join it for the length of the interval,
    /// then a new one replaces it.
    fn start(&mut self, now_ms: u64, flight: impl FnOnce() -> Flight) -> Option<Flight> {
        // The difference either way: a wall clock that was set back must not close the gate until it caught up.
        if self.started_at_ms.is_some_and(|started_at_ms| now_ms.abs_diff(started_at_ms) < FETCH_INTERVAL_MS) {
            return None;
        }
        self.started_at_ms = Some(now_ms);
        self.flight = Some(flight());
        self.flight.clone()
    }

    fn join(&self) -> Option<Flight> {
        self.flight.as_ref().filter(|flight| flight.peek().is_none()).cloned()
    }
}

impl Held {
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<Key>> {
        self.keys.load().as_ref()?.find(kid, algorithm)
    }

    fn is_stale(&self, now_ms: u64) -> bool {
        self.keys.load().as_ref().is_some_and(|keys| now_ms.abs_diff(keys.fetched_at_ms) >= STALE_AFTER_MS)
    }

    /// After a failed fetch nobody can say whether the key exists.
    fn why_missing(&self) -> Refusal {
        if self.keys.load().is_none() || self.last_failed.load(Ordering::Acquire) {
            Refusal::KeysUnavailable
        } else {
            Refusal::KeyUnknown
        }
    }
}

impl KeySet {
    /// `None` if the body is not a key set. Keys of no use here are left out, as RFC 7517, section 5, asks; a set may end
    /// up empty, and then it replaces the old one all the same, for the issuer took its keys back.
    fn parse(body: &str, allowed: &[Algorithm], fetched_at_ms: u64) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Body {
            keys: Vec<serde_json::Value>,
        }
        if body.len() > KEYS_BYTES_MAX {
            return None;
        }
        let body: Body = serde_json::from_str(body).ok()?;
        let mut keys = Self { by_kid: HashMap::new(), all: Vec::new(), fetched_at_ms };
        for value in body.keys.into_iter().take(KEYS_MAX) {
            let Ok(jwk) = serde_json::from_value::<Jwk>(value) else { continue };
            let Some(key) = Key::from_jwk(&jwk, allowed).map(Arc::new) else { continue };
            if let Some(kid) = jwk.common.key_id {
                keys.by_kid.entry(kid).or_insert_with(|| Arc::clone(&key));
            }
            keys.all.push(key);
        }
        Some(keys)
    }

    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<Key>> {
        if let Some(kid) = kid {
            return self.by_kid.get(kid).cloned();
        }
        let mut fitting = self.all.iter().filter(|key| key.serves(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(Arc::clone(only)),
            (None, _) | (Some(_), Some(_)) => None,
        }
    }
}
