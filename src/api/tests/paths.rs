//! Everything beside publishing.

use http::Request;

use super::fixture::{Gateway, closed};
use crate::api::Options;

#[tokio::test]
async fn other_paths_are_not_found() {
    let gateway = Gateway::new(closed());
    for path in ["/api", "/api/v1/publish/", "/api/v2/publish", "/favicon.ico"] {
        assert_eq!(gateway.send(Request::get(path), "").await.refusal(), (404, "NOT_FOUND".to_owned()), "{path}");
    }
    let root = gateway.send(Request::get("/"), "").await;
    assert_eq!(root.refusal().0, 404);
    assert!(root.json()["message"].as_str().unwrap().contains("/socket.io/"));
}

#[tokio::test]
async fn other_methods_are_told_the_right_one() {
    let gateway = Gateway::new(Options { development: true, ..closed() });
    for (method, path, allow) in [
        ("GET", "/api/v1/publish", "POST"),
        ("OPTIONS", "/api/v1/publish", "POST"),
        ("DELETE", "/api/v1/publish/batch", "POST"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let reply = gateway.send(Request::builder().method(method).uri(path), "").await;
        assert_eq!(reply.refusal(), (405, "METHOD_NOT_ALLOWED".to_owned()), "{method} {path}");
        assert_eq!(reply.headers["allow"], allow);
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let options = Options { development: true, engine_path: "/a\"&<b/".to_owned(), ..closed() };
    let reply = Gateway::new(options).send(Request::get("/"), "").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
    let page = &reply.text;
    assert!(page.contains(r#"content="/a&quot;&amp;&lt;b/""#));
    for foreign in ["http://", "https://", "src=", "@import", "{style}", "{script}"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Every input has its label.
    for id in page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let tag = page.split(&format!(" id=\"{id}\"")).next().unwrap().rsplit('<').next().unwrap();
        if ["input", "textarea"].contains(&tag) {
            assert!(page.contains(&format!("<label for=\"{id}\"")), "{id}");
        }
    }
}
