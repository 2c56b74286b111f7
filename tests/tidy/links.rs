//! Links between documents.

use std::path::{Component, Path};

use crate::tree::{File, Tree, finding};

pub fn broken(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.is("md")) {
        for (line, target) in targets(&file.text) {
            if let Some(what) = fault(tree, file, &target) {
                findings.push(finding(file, line, &format!("`{target}` {what}"), "correct the link"));
            }
        }
    }
    findings
}

fn fault(tree: &Tree, file: &File, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { file.path.clone() } else { joined(&file.path, path) };
    if !path.is_empty() && !tree.paths.contains(path.trim_end_matches('/')) {
        return Some("does not exist");
    }
    let other = tree.files.iter().find(|file| file.path == path)?;
    let found = anchor.is_empty() || !other.is("md") || headings(&other.text).any(|heading| heading == anchor);
    (!found).then_some("has no such heading")
}

/// The path that a link in the file `from` leads to, from the root.
fn joined(from: &str, link: &str) -> String {
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let mut parts: Vec<String> = Vec::new();
    for component in folder.join(link).components() {
        match component {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join("/")
}

/// Link targets with their lines, outside of code.
pub fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (number, line) in prose(text) {
        let without_code: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for (at, _) in without_code.match_indices("](") {
            let rest = &without_code[at + 2..];
            if let Some(end) = rest.find(')') {
                targets.push((number, rest[..end].split(' ').next().unwrap_or_default().to_owned()));
            }
        }
    }
    targets
}

/// Numbered lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((number + 1, line))
    })
}

/// The anchors of a document, as GitHub makes them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}
