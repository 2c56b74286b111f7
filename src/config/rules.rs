//! Rules between keys: names that must exist, things that exclude each other, namespaces nobody could enter.
//!
//! They run on the settled tree even where there were faults, so that all are told at once; so everything may be null.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use serde_json::{Map, Value};

use super::fault::Complaint;
use super::settings::NamespaceName;
use super::settle::Settling;
use super::tree::{child, item};
use crate::contract::{Contract, VerbName};

pub(crate) fn check(root: &Value, settling: &mut Settling<'_>) {
    addresses(root, settling);
    cors(&root["cors"], settling);
    let issuers = names(&root["auth"]["issuers"], "auth.issuers", settling);
    for (index, issuer) in list(&root["auth"]["issuers"]).iter().enumerate() {
        issuer_key(issuer, &item("auth.issuers", index), settling);
    }
    for (name, namespace) in root["namespaces"].as_object().into_iter().flatten() {
        check_namespace(name, namespace, &issuers, settling);
    }
    names(&root["publish"]["keys"], "publish.keys", settling);
    for (index, key) in list(&root["publish"]["keys"]).iter().enumerate() {
        one_of(key, &["key"], &item("publish.keys", index), "`key` and `key_file`", settling);
    }
    known_issuers(&root["publish"]["issuers"], "publish.issuers", &issuers, settling);
}

fn addresses(root: &Value, settling: &mut Settling<'_>) {
    let mut taken = BTreeSet::new();
    let listeners = list(&root["listeners"]);
    let more = listeners
        .iter()
        .enumerate()
        .map(|(index, entry)| (child(&item("listeners", index), "listen"), &entry["listen"]));
    let fixed = [("listen".to_owned(), &root["listen"]), ("admin".to_owned(), &root["admin"])];
    for (path, address) in fixed.into_iter().chain(more) {
        let Some(address) = address.as_str() else { continue };
        // Port 0 is another port each time.
        if !address.ends_with(":0") && !taken.insert(address) {
            settling.complain(&path, Complaint::new(format!("is {address}, which is taken"), "write another port"));
        }
    }
}

fn cors(cors: &Value, settling: &mut Settling<'_>) {
    let any = list(&cors["origins"]).iter().any(|origin| origin == "*");
    if any && cors["credentials"] == true {
        settling.complain(
            "cors.credentials",
            Complaint::new("is not possible with the origin `*`", "list the origins, or turn `cors.credentials` off"),
        );
    }
    if cors["reflect"] == true && cors["check_websocket_origin"] == true {
        settling.complain(
            "cors.check_websocket_origin",
            Complaint::new("checks nothing while every origin is reflected", "turn `cors.reflect` off"),
        );
    }
}

/// The names of a list's items; each may stand once.
fn names<'a>(items: &'a Value, path: &str, settling: &mut Settling<'_>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, entry) in list(items).iter().enumerate() {
        if let Some(name) = entry["name"].as_str()
            && !names.insert(name)
        {
            let complaint = Complaint::new(format!("is `{name}`, which stands above already"), "take another name");
            settling.complain(&child(&item(path, index), "name"), complaint);
        }
    }
    names
}

fn issuer_key(issuer: &Value, path: &str, settling: &mut Settling<'_>) {
    let Some(given) = one_of(
        issuer,
        &["secret", "pem", "jwks_url"],
        path,
        "`secret`, `secret_file`, `pem`, `pem_file` and `jwks_url`",
        settling,
    ) else {
        return;
    };
    for algorithm in list(&issuer["algorithms"]).iter().filter_map(Value::as_str) {
        if algorithm.starts_with("HS") != (given == "secret") {
            // Whoever knows a public key could sign with it, were it taken for a shared secret.
            let cure =
                if given == "secret" { "write HS256, HS384 or HS512" } else { "write an RS, PS, ES or EdDSA one" };
            settling.complain(
                &child(path, "algorithms"),
                Complaint::new(format!("has {algorithm}, which does not fit `{given}`"), cure),
            );
        }
    }
}

/// Which one of several keys is given. Files were read into the keys without `_file` before.
fn one_of(
    entry: &Value,
    keys: &[&'static str],
    path: &str,
    words: &str,
    settling: &mut Settling<'_>,
) -> Option<&'static str> {
    if !entry.is_object() {
        return None;
    }
    let given: Vec<_> = keys.iter().filter(|key| !entry[**key].is_null()).collect();
    match given.as_slice() {
        [one] => Some(**one),
        [] => {
            // A value that was given and refused, or a file that could not be read, has a fault of its own.
            if !settling.faults.iter().any(|fault| keys.iter().any(|key| fault.path.starts_with(&child(path, key)))) {
                settling.complain(path, Complaint::new("has no key", format!("write exactly one of {words}")));
            }
            None
        }
        _ => {
            settling.complain(path, Complaint::new("has several keys", format!("write exactly one of {words}")));
            None
        }
    }
}

fn check_namespace(name: &str, namespace: &Value, issuers: &BTreeSet<&str>, settling: &mut Settling<'_>) {
    let path = child("namespaces", name);
    if let Err(complaint) = NamespaceName::parse(name) {
        settling.complain(&path, complaint);
    }
    let Some(entries) = namespace.as_object() else { return };
    known_issuers(&namespace["issuers"], &child(&path, "issuers"), issuers, settling);
    let closed = namespace["refuse"].is_object();
    if namespace["anonymous"] == false && issuers.is_empty() && !closed {
        settling.complain(
            &path,
            Complaint::new(
                "admits nobody: it is not anonymous and there is no issuer",
                "add an issuer to `auth.issuers`, or write `anonymous: true`",
            ),
        );
    }
    if let Err(faults) = contract(entries) {
        for fault in faults {
            let path = fault.path.iter().fold(path.clone(), |path, key| child(&path, key));
            settling.complain(&path, Complaint::new(fault.problem, fault.cure));
        }
    }
}

fn known_issuers(named: &Value, path: &str, issuers: &BTreeSet<&str>, settling: &mut Settling<'_>) {
    for name in list(named).iter().filter_map(Value::as_str).filter(|name| !issuers.contains(name)) {
        let cure = match super::suggest::nearest(name, issuers.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write the name of an entry of `auth.issuers`".into(),
        };
        settling.complain(path, Complaint::new(format!("names the issuer `{name}`, which does not exist"), cure));
    }
}

/// The compiled contract of a settled namespace.
pub(crate) fn contract(namespace: &Map<String, Value>) -> Result<Contract, Vec<crate::contract::RuleFault>> {
    let verbs: Vec<VerbName> = namespace
        .get("verbs")
        .map_or(&[][..], list)
        .iter()
        .filter_map(|verb| VerbName::from_str(verb.as_str()?).ok())
        .collect();
    let part = |name: &str| namespace.get(name).unwrap_or(&Value::Null);
    Contract::compile(part("on_connect"), part("events"), &verbs)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
