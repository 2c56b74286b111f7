//! The backends' door: publishing over HTTP, and in development a page to try it with.
//!
//! Kept here: who may publish, how a request becomes a [`Publish`](crate::flows::publish::Publish), and what each outcome is
//! answered (`refusal.rs` is the one table). Not here: the form of a publication (`event::json`), which all ways in share,
//! and connections (`transport/` calls the router for whatever is not Engine.IO).
//! Invariant: no input leads to a 5xx other than 503, and no answer repeats a secret or more than a field's name of the input.

mod body;
mod loopback;
mod options;
mod page;
mod publish;
mod publisher;
mod rates;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::Uri;

pub use options::Options;

use crate::flows::Services;
use rates::Rates;
use refusal::{Kind, Refusal};

/// What all requests share.
struct Gate {
    options: Options,
    services: Arc<Services>,
    /// Locked for single steps only; every worker's requests count against the same rates.
    rates: Mutex<Rates>,
}

/// Serves everything beside the Engine.IO path. Requests carry their peer's address as the extension
/// `axum::extract::ConnectInfo<SocketAddr>`; without it nobody counts as local.
pub fn router(options: Options, services: Arc<Services>) -> Router {
    let development = options.development;
    let page = page::render(&options.engine_path);
    let rates = Mutex::new(Rates::new(options.rate_per_s));
    let router = Router::new()
        .route("/api/v1/publish", post(publish::one).fallback(wrong_method))
        .route("/api/v1/publish/batch", post(publish::batch).fallback(wrong_method));
    let router = if development {
        router.route("/", get(move || async move { page.reply() }).fallback(wrong_method))
    } else {
        router
    };
    router.fallback(not_found).with_state(Arc::new(Gate { options, services, rates }))
}

async fn wrong_method() -> Refusal {
    Refusal::new(Kind::Method, "this path does not serve that method; the header Allow lists those it does")
}

async fn not_found(State(gate): State<Arc<Gate>>, uri: Uri) -> Refusal {
    if uri.path() == "/" {
        let message = format!("nothing is served here; Socket.IO clients connect at {}", gate.options.engine_path);
        return Refusal::new(Kind::NotFound, message);
    }
    Refusal::new(Kind::NotFound, "there is no such path")
}
