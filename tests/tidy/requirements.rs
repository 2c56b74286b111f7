//! What `docs/requirements.md` says of each requirement, against the list of their IDs and the titles of tests.

use std::collections::BTreeMap;

use crate::tree::{File, Tree, finding};

const DOCUMENT: &str = "docs/requirements.md";
/// The lists: letter and last number of each.
const LISTS: [(char, usize); 5] = [('W', 60), ('K', 32), ('C', 57), ('H', 43), ('F', 62)];
const STATES: [&str; 4] = ["works", "partly", "later", "outside"];
const WORDS_MAX: usize = 8;

struct Row<'a> {
    line: usize,
    id: &'a str,
    asked: &'a str,
    state: &'a str,
    note: &'a str,
}

/// Every ID stands there once, with a state and few words, and the numbers in the summary are right.
pub fn incomplete(tree: &Tree) -> Vec<String> {
    let Some(file) = document(tree) else { return vec![format!("{DOCUMENT}: is not there; write it")] };
    let rows = rows(file);
    let mut findings = Vec::new();
    let mut times: BTreeMap<String, usize> = LISTS
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| (format!("{letter}-{number:02}"), 0)))
        .collect();
    for row in &rows {
        match times.get_mut(row.id) {
            Some(times) => *times += 1,
            None => findings.push(finding(file, row.line, &format!("{} is in no list", row.id), "take it out")),
        }
        if !STATES.contains(&row.state) {
            findings.push(finding(file, row.line, "no such state", "say works, partly, later or outside"));
        }
        if row.asked.split_whitespace().count() > WORDS_MAX || row.note.is_empty() {
            let cure = "say what is asked in 8 words, and the rest in the last column";
            findings.push(finding(file, row.line, "too many words, or none", cure));
        }
    }
    let wrong = times.into_iter().filter(|(_, times)| *times != 1);
    findings.extend(wrong.map(|(id, times)| format!("{DOCUMENT}: {id} stands there {times} times; once is right")));
    let counts = STATES.map(|state| rows.iter().filter(|row| row.state == state).count().to_string());
    let sum = format!("| together | {} |", counts.join(" | "));
    if !file.text.contains(&sum) {
        findings.push(format!("{DOCUMENT}: the last line of the summary is wrong; write {sum}"));
    }
    findings
}

/// What works names tests whose titles name it.
pub fn unshown(tree: &Tree) -> Vec<String> {
    let Some(file) = document(tree) else { return Vec::new() };
    let mut findings = Vec::new();
    for row in rows(file).iter().filter(|row| row.state == "works") {
        for shown in row.note.split("; ") {
            let named = shown.strip_prefix('`').and_then(|rest| rest.split_once("` \""));
            let Some((name, title)) = named.and_then(|(name, rest)| Some((name, rest.strip_suffix('"')?))) else {
                findings.push(finding(file, row.line, "no test is named", "write `file` \"title\", or say partly"));
                continue;
            };
            let of_that_name = |file: &&File| file.path.ends_with(&format!("/{name}"));
            let mut lines = suites(tree).filter(of_that_name).flat_map(|file| file.text.lines());
            if !lines.any(|line| line.contains(title) && ids(line).any(|id| id == row.id)) {
                let cure = format!("end the title with [{}]", row.id);
                findings.push(finding(file, row.line, &format!("no such title in {name} names {}", row.id), &cure));
            }
        }
    }
    findings
}

/// What a test's title names works, at least partly.
pub fn overstated(tree: &Tree) -> Vec<String> {
    let Some(document) = document(tree) else { return Vec::new() };
    let states: BTreeMap<&str, &str> = rows(document).into_iter().map(|row| (row.id, row.state)).collect();
    let mut findings = Vec::new();
    for file in suites(tree) {
        for (number, line) in file.text.lines().enumerate() {
            for id in ids(line).filter(|id| !matches!(states.get(id), Some(&("works" | "partly")))) {
                let what = format!("{id} does not work by {DOCUMENT}");
                findings.push(finding(file, number + 1, &what, "correct the one or the other"));
            }
        }
    }
    findings
}

fn document(tree: &Tree) -> Option<&File> {
    tree.files.iter().find(|file| file.path == DOCUMENT)
}

fn suites(tree: &Tree) -> impl Iterator<Item = &File> {
    let folders = ["tests/clients/", "tests/conformance/"];
    tree.files.iter().filter(move |file| file.is("mjs") && folders.iter().any(|folder| file.path.starts_with(folder)))
}

fn rows(file: &File) -> Vec<Row<'_>> {
    file.text.lines().enumerate().filter_map(|(number, line)| row(number + 1, line)).collect()
}

fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = text.trim_matches('|').split('|').map(str::trim).collect();
    let [id, asked, state, note] = cells[..] else { return None };
    is_id(id).then(|| Row { line, id, asked, state: state.trim_matches('`'), note })
}

/// IDs in brackets at the end of a title, as in `"joins [K-05 C-08]"`.
fn ids(line: &str) -> impl Iterator<Item = &str> {
    let brackets = line.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(inner, _)| inner);
    brackets.filter(|inner| inner.split(' ').all(is_id)).flat_map(|inner| inner.split(' '))
}

/// A capital, a hyphen, two digits.
fn is_id(word: &str) -> bool {
    matches!(word.as_bytes(), [b'A'..=b'Z', b'-', b'0'..=b'9', b'0'..=b'9'])
}

#[test]
fn ids_are_found_in_brackets_alone() {
    let found: Vec<&str> = ids("test(`of ${names[0]} K-01 [K-05 C-08]`, [1], [H-1], [TEST])").collect();
    assert_eq!(found, ["K-05", "C-08"]);
}
