//! The routes of the admin port.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::health;
use super::readiness::Readiness;
use crate::backplane::Backplane;
use crate::meters::Meters;

/// Brings gauges up to date and writes all metrics in the text format of Prometheus, version 0.0.4.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// What the admin port looks at.
#[derive(Clone)]
pub struct Admin {
    pub readiness: Arc<Readiness>,
    pub backplane: Arc<dyn Backplane>,
    pub render: Render,
}

/// `/livez`, `/readyz`, `/metrics`, and a page that names them.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/livez", get(async || ([(CACHE_CONTROL, NO_STORE)], "ok\n")))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

async fn ready(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let obstacles = health::obstacles(&admin.readiness, &*admin.backplane, is_deep(query.as_deref()));
    let status = if obstacles.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, NO_STORE)], Json(health::body(&obstacles))).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    Meters::backplane_proven(admin.backplane.proven().is_ok());
    ([(CONTENT_TYPE, EXPOSITION)], (admin.render)()).into_response()
}

fn is_deep(query: Option<&str>) -> bool {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .any(|(name, value)| name == "deep" && matches!(&*value, "" | "1" | "true"))
}

const NO_STORE: &str = "no-store";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const INDEX: &str = "<!doctype html><title>Fanfare</title>
<h1>Fanfare</h1>
<ul>
<li><a href=\"/livez\">/livez</a>: the process runs
<li><a href=\"/readyz\">/readyz</a>: it wants traffic
<li><a href=\"/readyz?deep=1\">/readyz?deep=1</a>: it wants traffic, and the backplane works now
<li><a href=\"/metrics\">/metrics</a>: for Prometheus
</ul>
";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Body;
    use axum::http::Request;
    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;
    use tower::ServiceExt as _;

    use super::*;
    use crate::backplane::{Arrival, Entry, Heads, PublishError, PublishRequest, Receipt, Unavailable};
    use crate::event::{Id, Partition, Topic};

    /// A backplane that only knows whether it works.
    struct Switch(AtomicBool);

    fn away() -> Unavailable {
        Unavailable("not connected to Redis".into())
    }

    impl Backplane for Switch {
        fn publish(&self, _: PublishRequest) -> BoxFuture<'_, Result<Receipt, PublishError>> {
            async { Err(away().into()) }.boxed()
        }

        fn watch<'a>(&'a self, _: &'a Arc<Partition>, _: &'a [Topic]) -> BoxFuture<'a, Result<Heads, Unavailable>> {
            async { Err(away()) }.boxed()
        }

        fn unwatch<'a>(&'a self, _: &'a Arc<Partition>, _: &'a [Topic]) -> BoxFuture<'a, ()> {
            async {}.boxed()
        }

        fn heads<'a>(&'a self, _: &'a Arc<Partition>, _: &'a [Topic]) -> BoxFuture<'a, Result<Heads, Unavailable>> {
            async { Err(away()) }.boxed()
        }

        fn read<'a>(
            &'a self,
            _: &'a Arc<Partition>,
            _: &'a Topic,
            _: Id,
            _: Id,
            _: usize,
        ) -> BoxFuture<'a, Result<Vec<Entry>, Unavailable>> {
            async { Err(away()) }.boxed()
        }

        fn arrivals(&self) -> Option<mpsc::Receiver<Arrival>> {
            None
        }

        fn proven(&self) -> Result<(), Unavailable> {
            if self.0.load(Ordering::Relaxed) { Ok(()) } else { Err(away()) }
        }
    }

    struct Port {
        readiness: Arc<Readiness>,
        backplane: Arc<Switch>,
        router: Router,
    }

    fn port() -> Port {
        let readiness = Arc::new(Readiness::new());
        let backplane = Arc::new(Switch(AtomicBool::new(false)));
        let router = router(Admin {
            readiness: Arc::clone(&readiness),
            backplane: Arc::clone(&backplane) as Arc<dyn Backplane>,
            render: Arc::new(|| "fanfare_sockets 3\n".into()),
        });
        Port { readiness, backplane, router }
    }

    impl Port {
        async fn ask(&self, path: &str) -> (u16, String) {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = self.router.clone().oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    }

    #[tokio::test]
    async fn a_process_is_alive_whatever_its_stage_and_its_redis() {
        let port = port();
        assert_eq!(port.ask("/livez").await, (200, "ok\n".into()));
        port.readiness.drain();
        assert_eq!(port.ask("/livez").await.0, 200);
    }

    #[tokio::test]
    async fn a_process_is_ready_once_it_started_and_saw_its_backplane_work() {
        let port = port();
        let both = r#"{"ready":false,"reasons":[{"what":"start","why":"the process is starting"},{"what":"backplane","why":"not connected to Redis"}]}"#;
        assert_eq!(port.ask("/readyz").await, (503, both.into()));
        port.readiness.ready();
        assert_eq!(port.ask("/readyz").await.0, 503);
        port.backplane.0.store(true, Ordering::Relaxed);
        assert_eq!(port.ask("/readyz").await, (200, r#"{"ready":true}"#.into()));
    }

    #[tokio::test]
    async fn only_a_deep_question_minds_a_backplane_that_goes_away_later() {
        let port = port();
        port.readiness.ready();
        port.backplane.0.store(true, Ordering::Relaxed);
        assert_eq!(port.ask("/readyz").await.0, 200);
        port.backplane.0.store(false, Ordering::Relaxed);
        for shallow in ["/readyz", "/readyz?deep=0", "/readyz?%zz"] {
            assert_eq!(port.ask(shallow).await.0, 200, "{shallow}");
        }
        for deep in ["/readyz?deep=1", "/readyz?deep", "/readyz?deep=true"] {
            let (status, body) = port.ask(deep).await;
            assert!(status == 503 && body.contains("not connected to Redis"), "{deep}: {body}");
        }
    }

    #[tokio::test]
    async fn a_process_that_drains_wants_no_traffic() {
        let port = port();
        port.backplane.0.store(true, Ordering::Relaxed);
        port.readiness.ready();
        port.readiness.drain();
        let (status, body) = port.ask("/readyz").await;
        assert!(status == 503 && body.contains(r#""what":"drain""#), "{body}");
    }

    #[tokio::test]
    async fn metrics_are_what_the_exporter_writes() {
        let port = port();
        assert_eq!(port.ask("/metrics").await, (200, "fanfare_sockets 3\n".into()));
    }

    #[tokio::test]
    async fn the_index_names_every_route() {
        let port = port();
        let (status, body) = port.ask("/").await;
        assert_eq!(status, 200);
        for route in ["/livez", "/readyz", "/metrics"] {
            assert!(body.contains(route), "{route}");
        }
        assert_eq!(port.ask("/else").await.0, 404);
    }
}
