//! The files of the repository, and Rust source without its comments and texts.

use std::collections::BTreeSet;
use std::path::Path;

/// What the checks read.
pub struct Tree {
    pub files: Vec<File>,
    /// Paths of every file and folder, also of those that are not text.
    pub paths: BTreeSet<String>,
}

pub struct File {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
}

impl Tree {
    pub fn read() -> Self {
        let mut tree = Self { files: Vec::new(), paths: BTreeSet::new() };
        tree.walk(Path::new(env!("CARGO_MANIFEST_DIR")), "");
        assert!(tree.files.len() > 100, "the tree was not found");
        tree
    }

    fn walk(&mut self, folder: &Path, prefix: &str) {
        let entries = std::fs::read_dir(folder).expect("a folder of the repository can be read");
        let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            let path = format!("{prefix}{name}");
            self.paths.insert(path.clone());
            if entry.path().is_dir() {
                self.walk(&entry.path(), &format!("{path}/"));
            } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
                self.files.push(File { path, text });
            }
        }
    }

    pub fn rust<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.path.starts_with(folder) && file.is("rs"))
    }

    /// The part of a file under `src/` that is not compiled for tests alone, without comments and texts.
    pub fn shipped(&self, file: &File) -> String {
        if self.is_for_tests(&file.path) {
            return String::new();
        }
        let code = code(&file.text);
        // Tests stand last in a file.
        let end = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
        code[..end].to_owned()
    }

    /// Whether some module above the file is `#[cfg(test)] mod name;`.
    fn is_for_tests(&self, path: &str) -> bool {
        let stem = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let mut parts: Vec<&str> = stem.split('/').collect();
        while parts.len() > 1 {
            let name = parts.pop().unwrap_or_default();
            let parent = parts.join("/");
            let homes = [format!("{parent}.rs"), format!("{parent}/mod.rs"), format!("{parent}/lib.rs")];
            let parents = self.files.iter().filter(|file| homes.contains(&file.path));
            for text in parents.map(|file| &file.text) {
                let plain = [format!("#[cfg(test)]\nmod {name};"), format!("#[cfg(test)]\npub(crate) mod {name};")];
                if plain.iter().any(|words| text.contains(words)) {
                    return true;
                }
            }
        }
        false
    }
}

impl File {
    pub fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }

    /// `room` of `src/room/…` or `src/room.rs`.
    pub fn room(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs")
    }
}

/// One line of a finding: place, what is wrong, and the cure.
pub fn finding(file: &File, line: usize, what: &str, cure: &str) -> String {
    format!("{}:{line}: {what}; {cure}", file.path)
}

/// The source with comments, texts and characters blanked out; lines stay where they are.
pub fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = blank(&source[at..]);
        if length == 0 {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..at + length].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at += length;
        }
        while at < bytes.len() && !source.is_char_boundary(at) {
            out.push(b' ');
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How many bytes at the start of `rest` are a comment, a text or a character; 0 if none.
fn blank(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if rest.starts_with('"') {
        return closing_quote(rest);
    }
    for raw in ["r#\"", "r##\"", "r\""] {
        if let Some(inner) = rest.strip_prefix(raw) {
            let end = format!("\"{}", "#".repeat(raw.len() - 2));
            return inner.find(&end).map_or(rest.len(), |found| raw.len() + found + end.len());
        }
    }
    let mut characters = rest.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some('\''), Some('\\'), Some(escaped)) => {
            let from = 2 + escaped.len_utf8();
            rest.get(from..).and_then(|rest| rest.find('\'')).map_or(0, |end| from + end + 1)
        }
        (Some('\''), Some(one), Some('\'')) => 2 + one.len_utf8(),
        _ => 0,
    }
}

fn closing_quote(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Folders and files that tools make.
const NOT_OURS: &[&str] = &[
    ".git",
    "target",
    "node_modules",
    ".venv",
    "__pycache__",
    "artifacts",
    "corpus",
    "coverage",
    ".idea",
    ".vscode",
    ".DS_Store",
];
