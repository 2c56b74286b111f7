//! Documents that have to be there and in step, and what must stand nowhere.

use crate::links::targets;
use crate::tree::{Tree, code, finding};

const DOCUMENTS: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "docs/api.md",
    "docs/architecture.md",
    "docs/configuration.md",
    "docs/contract.md",
    "docs/errors.md",
    "docs/guarantees.md",
    "docs/metrics.md",
    "docs/monitoring.md",
    "docs/operations.md",
    "docs/publishers.md",
    "docs/requirements.md",
    "docs/security.md",
];

pub fn missing(tree: &Tree) -> Vec<String> {
    let missing = DOCUMENTS.iter().filter(|path| !tree.paths.contains(**path));
    missing.map(|path| format!("{path}: is not there; write it")).collect()
}

/// Each decision is told where people look for the reasons.
pub fn decisions(tree: &Tree) -> Vec<String> {
    let map = tree.files.iter().find(|file| file.path == "docs/architecture.md");
    let linked: Vec<String> =
        map.map(|file| targets(&file.text)).unwrap_or_default().into_iter().map(|(_, to)| to).collect();
    let pages =
        tree.paths.iter().filter_map(|path| path.strip_prefix("docs/")).filter(|path| path.starts_with("decisions/"));
    let lonely = pages.filter(|path| !linked.iter().any(|link| link == path));
    lonely
        .map(|path| format!("docs/{path}: docs/architecture.md does not link it; add it to the list of decisions"))
        .collect()
}

/// Files and functions that the map and the decisions name in code quotes exist.
pub fn names(tree: &Tree) -> Vec<String> {
    let source: Vec<String> = tree.rust("src/").map(|file| code(&file.text)).collect();
    let mut findings = Vec::new();
    let maps = |path: &str| path == "docs/architecture.md" || path.starts_with("docs/decisions/");
    for file in tree.files.iter().filter(|file| maps(&file.path)) {
        for (number, line) in file.text.lines().enumerate() {
            for name in line.split('`').skip(1).step_by(2) {
                let named = name.rsplit_once('.').is_some_and(|(_, kind)| matches!(kind, "rs" | "lua"));
                let missing = if named {
                    !tree.paths.iter().any(|path| *path == name || path.ends_with(&format!("/{name}")))
                } else {
                    name.contains("::") && !is_defined(&source, name)
                };
                if missing {
                    let cure = "name what there is now";
                    findings.push(finding(file, number + 1, &format!("`{name}` does not exist"), cure));
                }
            }
        }
    }
    findings
}

/// Whether the last part of a path is a function, a type or a variant somewhere.
fn is_defined(source: &[String], path: &str) -> bool {
    let last = path.split("::").last().unwrap_or_default();
    let last: String = last.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let upper = last.starts_with(char::is_uppercase);
    let words = if upper {
        [format!("enum {last}"), format!("struct {last}"), format!("    {last}")]
    } else {
        [format!("fn {last}("), format!("fn {last}<"), format!("pub {last}:")]
    };
    source.iter().any(|code| words.iter().any(|word| code.contains(word.as_str())))
}

/// Folders of somebody's machine, and addresses of registries, which differ from place to place. In two parts, so that
/// this file does not find itself.
const PLACES: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("registry.npm", "js.org"),
    concat!("files.python", "hosted.org"),
    concat!("py", "pi.org/simple"),
    concat!("index-", "url"),
];

pub fn machines(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            for word in PLACES.iter().filter(|word| line.contains(**word)) {
                let cure = "use a path from the root of the repository, or the tool's own default";
                findings.push(finding(file, number + 1, &format!("`{word}` is true on one machine"), cure));
            }
            if file.path.ends_with("package-lock.json") && line.contains("\"resolved\"") {
                let cure = "set omit-lockfile-registry-resolved=true in .npmrc and write it anew";
                findings.push(finding(file, number + 1, "a download address", cure));
            }
            let foreign = line.starts_with("source = ") && !line.contains("github.com/rust-lang/crates.io-index");
            if file.path.ends_with("Cargo.lock") && foreign {
                findings.push(finding(file, number + 1, "a crate from elsewhere", "take it from crates.io"));
            }
        }
    }
    findings
}

#[test]
fn texts_and_comments_are_not_code() {
    let source = "let a = \"{ // \\\" {\"; // }\nlet b = '{'; let c: &'a str = r#\"\"}\"#; /* { */ d";
    let code = code(source);
    assert_eq!(code.matches(['{', '}']).count(), 0, "{code}");
    assert_eq!((code.lines().count(), code.contains("'a str"), code.ends_with(" d")), (2, true, true), "{code}");
}
