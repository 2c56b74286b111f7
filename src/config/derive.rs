//! Values that follow from other values when nobody gave them.

use serde_json::{Map, Value, json};

/// Before the table is consulted: the namespaces of a configuration that names none.
pub(crate) fn presume(value: &mut Value, has_file: bool) {
    let Some(root) = value.as_object_mut() else { return };
    if root.get("namespaces").is_some_and(|namespaces| !namespaces.is_null()) {
        return;
    }
    let development = root.get("development").and_then(Value::as_bool).unwrap_or(!has_file);
    let namespace = if development { json!({"anonymous": true, "join": ["*"], "publish": ["*"]}) } else { json!({}) };
    root.insert("namespaces".into(), json!({"/": namespace}));
}

/// After the table: what its derived defaults say.
pub(crate) fn derive(value: &mut Value, has_file: bool) {
    let Some(root) = value.as_object_mut() else { return };
    fill(root, "development", || json!(!has_file));
    let development = root["development"].clone();
    // No load balancer has to notice that a developer pressed Ctrl-C.
    let drain_ms = if development == true { (0, 200) } else { (5_000, 10_000) };
    if let Some(drain) = section(root, "drain") {
        fill(drain, "grace_ms", || json!(drain_ms.0));
        fill(drain, "window_ms", || json!(drain_ms.1));
    }
    if let Some(publish) = section(root, "publish") {
        fill(publish, "loopback_without_key", || development);
    }
    if let Some(cors) = section(root, "cors") {
        let given = cors.get("origins").and_then(Value::as_array).is_some_and(|origins| !origins.is_empty());
        let reflect = cors.get("reflect") == Some(&Value::Bool(true));
        fill(cors, "check_websocket_origin", || json!(given && !reflect));
    }
    for issuer in section(root, "auth").into_iter().flat_map(|auth| items(auth, "issuers")) {
        let shared = issuer.get("secret").is_some_and(|secret| !secret.is_null());
        fill(issuer, "algorithms", || if shared { json!(["HS256"]) } else { json!(["RS256", "ES256", "EdDSA"]) });
    }
    let engine = root.get("engine").cloned().unwrap_or_default();
    for listener in items(root, "listeners") {
        let mut own = engine.clone();
        if let (Some(own), Some(Value::Object(overrides))) = (own.as_object_mut(), listener.remove("engine")) {
            own.extend(overrides);
        }
        listener.insert("engine".into(), own);
    }
}

fn section<'a>(entries: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    entries.get_mut(name)?.as_object_mut()
}

fn items<'a>(entries: &'a mut Map<String, Value>, name: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    entries.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn fill(entries: &mut Map<String, Value>, name: &str, derived: impl FnOnce() -> Value) {
    let value = entries.entry(name).or_insert(Value::Null);
    if value.is_null() {
        *value = derived();
    }
}
