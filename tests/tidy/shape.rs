//! How long files and functions are, and what does not belong into them.

use crate::tree::{File, Tree, code, finding};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Kinds of files that people write and read as source.
const SOURCES: &[&str] = &["rs", "lua", "js", "mjs", "ts", "py", "sh", "html", "css"];

pub fn long_files(tree: &Tree) -> Vec<String> {
    let long = tree.files.iter().filter(|file| is_source(file) && file.text.lines().count() > FILE_LINES_MAX);
    long.map(|file| {
        let what = format!("{} lines are more than {FILE_LINES_MAX}", file.text.lines().count());
        finding(file, FILE_LINES_MAX, &what, "split it by what happens in it")
    })
    .collect()
}

fn is_source(file: &File) -> bool {
    SOURCES.iter().any(|kind| file.is(kind)) || file.text.starts_with("#!")
}

pub fn long_functions(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.is("rs")) {
        let code = code(&file.text);
        let lines: Vec<&str> = code.lines().collect();
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
            let length = length(&lines[number..]);
            if length > FUNCTION_LINES_MAX {
                let name = line.trim().trim_end_matches('{');
                let what = format!("{length} lines of `{name}` are more than {FUNCTION_LINES_MAX}");
                findings.push(finding(file, number + 1, &what, "keep the branches, let helpers compute"));
            }
        }
    }
    findings
}

fn begins_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let keywords = ["pub", "pub(super)", "pub(crate)", "pub(in", "async", "const", "fn"];
    let head: Vec<&str> = words.by_ref().take_while(|word| keywords.contains(word)).collect();
    head.last() == Some(&"fn")
}

/// Lines up to the brace that closes the first one opened; 1 for a function without a body.
fn length(lines: &[&str]) -> usize {
    let (mut depth, mut nested) = (0_usize, 0_usize);
    for (number, line) in lines.iter().enumerate() {
        for character in line.chars() {
            match character {
                '{' => depth += 1,
                '}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return number + 1;
                    }
                }
                '(' | '[' => nested += 1,
                ')' | ']' => nested = nested.saturating_sub(1),
                ';' if depth == 0 && nested == 0 => return 1,
                _ => {}
            }
        }
    }
    lines.len()
}

pub fn unwraps(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.rust("src/").chain(tree.rust("examples/")) {
        for (number, line) in tree.shipped(file).lines().enumerate() {
            if line.contains(".unwrap()") {
                let cure = "handle it, or `expect` with the invariant that makes it impossible";
                findings.push(finding(file, number + 1, "an unwrap outside tests", cure));
            }
        }
    }
    findings
}

/// Written in two parts, so that this file does not find itself.
const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
];

pub fn leftovers(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    let documents =
        tree.files.iter().filter(|file| is_source(file) || file.is("md") || file.is("toml") || file.is("yaml"));
    for file in documents {
        for (number, line) in file.text.lines().enumerate() {
            for word in LEFTOVERS.iter().filter(|word| line.contains(**word)) {
                findings.push(finding(file, number + 1, &format!("`{word}`"), "do it now, or open an issue"));
            }
        }
    }
    findings
}

pub fn silent_modules(tree: &Tree) -> Vec<String> {
    let silent = tree.rust("src/").filter(|file| {
        let shipped = !tree.shipped(file).trim().is_empty();
        shipped && !file.text.starts_with("//!")
    });
    silent
        .map(|file| finding(file, 1, "no `//!`", "begin with what is kept here, what is not, and the invariant"))
        .collect()
}
