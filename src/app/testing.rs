//! A tiny HTTP server for the tests of commands.

use std::net::SocketAddr;

use axum::Router;

/// Serves until the test's runtime ends.
#[expect(clippy::disallowed_methods, reason = "the test's runtime ends the task")]
pub(super) async fn serve(router: Router) -> SocketAddr {
    tls_provider();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Where nobody listens.
pub(super) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The main function installs it in a real process.
pub(super) fn tls_provider() {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
