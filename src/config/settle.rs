//! Compares the laid-over sources with the table of keys: unknown keys, types, ranges, defaults, files of secrets.
//!
//! What comes out holds every key of the table, so that the typed settings need no defaults of their own.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fault::{Complaint, Fault};
use super::keys::{self, Key, Preset, Schema};
use super::kind::{self, Kind};
use super::sources::Origins;
use super::suggest;
use super::tree::{child, item};

pub(crate) struct Settling<'a> {
    schema: &'a Schema,
    origins: &'a Origins,
    pub faults: Vec<Fault>,
    /// In overrides only what was written counts.
    presets: bool,
}

impl<'a> Settling<'a> {
    pub(crate) fn new(schema: &'a Schema, origins: &'a Origins) -> Self {
        Self { schema, origins, faults: Vec::new(), presets: true }
    }

    /// The whole tree, checked and complete. Where there was a fault, the default stands.
    pub(crate) fn settle(&mut self, value: Value) -> Value {
        self.place(self.schema, Some(value), "")
    }

    pub(crate) fn complain(&mut self, path: &str, complaint: Complaint) {
        let origin = self.origins.of(path);
        self.faults.push(Fault { origin, path: path.to_owned(), problem: complaint.problem, cure: complaint.cure });
    }

    /// Recursion follows the schema, so it is as deep as the table.
    fn place(&mut self, schema: &Schema, value: Option<Value>, path: &str) -> Value {
        // `key:` with nothing behind it means the same as no key.
        let value = value.filter(|value| !value.is_null());
        match schema {
            Schema::Leaf(key) => self.leaf(key, value, path),
            Schema::Section(entries) => match value {
                None if schema.has_required_key() || !self.presets => Value::Null,
                None => self.section(entries, Map::new(), path),
                Some(Value::Object(given)) => self.section(entries, given, path),
                Some(other) => self.wrong_sort(&other, "a section with keys", path),
            },
            Schema::Map(entry) => match value {
                None => Value::Null,
                Some(Value::Object(given)) => given
                    .into_iter()
                    .map(|(name, value)| {
                        // An entry with nothing in it is an entry with defaults, other than a section that is not there.
                        let value = if value.is_null() { Value::Object(Map::new()) } else { value };
                        let below = self.place(entry, Some(value), &child(path, &name));
                        (name, below)
                    })
                    .collect::<Map<_, _>>()
                    .into(),
                Some(other) => self.wrong_sort(&other, "a map from names to sections", path),
            },
            Schema::List(entry) => match value {
                None => Value::Array(Vec::new()),
                Some(Value::Array(given)) => given
                    .into_iter()
                    .enumerate()
                    .map(|(index, value)| {
                        let value = if value.is_null() { Value::Object(Map::new()) } else { value };
                        self.place(entry, Some(value), &item(path, index))
                    })
                    .collect(),
                Some(other) => self.wrong_sort(&other, "a list", path),
            },
        }
    }

    fn section(
        &mut self,
        entries: &BTreeMap<&'static str, Schema>,
        mut given: Map<String, Value>,
        path: &str,
    ) -> Value {
        let mut settled = Map::new();
        for (name, schema) in entries {
            let value = given.remove(*name);
            if value.is_none() && !self.presets {
                continue;
            }
            let below = self.place(schema, value, &child(path, name));
            settled.insert((*name).to_owned(), below);
        }
        for name in given.keys() {
            let complaint = unknown(name, entries);
            self.complain(&child(path, name), complaint);
        }
        self.read_secret_files(entries, &mut settled, path);
        Value::Object(settled)
    }

    fn leaf(&mut self, key: &Key, value: Option<Value>, path: &str) -> Value {
        let Some(value) = value else {
            return match key.preset {
                Preset::Json(text) => serde_json::from_str(text).expect("a test parses every default"),
                Preset::Absent | Preset::Derived(_) => Value::Null,
                Preset::Required => {
                    self.complain(path, Complaint::new("is missing", format!("write {}", key.kind.words())));
                    Value::Null
                }
            };
        };
        if let Kind::Overrides(section) = key.kind {
            let schema = self.schema.section(section).expect("a test follows every override");
            self.presets = false;
            let overrides = self.place(schema, Some(value), path);
            self.presets = true;
            return overrides;
        }
        if let (Kind::List(kind, least), Value::Array(items)) = (&key.kind, &value)
            && items.len() >= *least
        {
            return self.items(kind, items.clone(), path);
        }
        match key.kind.check(value) {
            Ok(value) if matches!(key.kind, Kind::File) => self.existing_file(value.as_str().unwrap_or_default(), path),
            Ok(value) => value,
            Err(complaint) => {
                self.complain(path, complaint);
                self.leaf_after_fault(key)
            }
        }
    }

    /// Every item that is wrong has its own fault. The others stay, so that rules between keys still see them.
    fn items(&mut self, kind: &Kind, items: Vec<Value>, path: &str) -> Value {
        let mut checked = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let number = index + 1;
            match kind.check(item) {
                Ok(item) if checked.contains(&item) => {
                    self.complain(path, Complaint::new(format!("has item {number} twice"), "remove one of them"));
                }
                Ok(item) => checked.push(item),
                Err(fault) => {
                    self.complain(path, Complaint::new(format!("item {number} {}", fault.problem), fault.cure));
                }
            }
        }
        Value::Array(checked)
    }

    fn leaf_after_fault(&mut self, key: &Key) -> Value {
        match key.preset {
            Preset::Json(text) if self.presets => serde_json::from_str(text).expect("a test parses every default"),
            Preset::Json(_) | Preset::Absent | Preset::Derived(_) | Preset::Required => Value::Null,
        }
    }

    /// Puts the content of `x_file` in the place of `x`.
    fn read_secret_files(
        &mut self,
        entries: &BTreeMap<&'static str, Schema>,
        settled: &mut Map<String, Value>,
        path: &str,
    ) {
        for (name, schema) in entries {
            let Schema::Leaf(Key { kind: Kind::SecretFile, .. }) = schema else { continue };
            let Some(Value::String(file)) = settled.remove(*name) else { continue };
            let target = name.strip_suffix("_file").expect("a test checks the name of every secret file");
            let path = child(path, name);
            if settled.get(target).is_some_and(|value| !value.is_null()) {
                self.complain(&path, Complaint::new(format!("stands beside `{target}`"), "keep one of the two"));
                continue;
            }
            let Some(Schema::Leaf(Key { kind, .. })) = entries.get(target) else { continue };
            match std::fs::read_to_string(self.origins.folder(&path).join(&file)) {
                // Editors and `echo` end a file with a newline that is not part of the secret.
                Ok(content) => match kind.check(Value::String(content.trim_end_matches(['\r', '\n']).to_owned())) {
                    Ok(value) => drop(settled.insert(target.to_owned(), value)),
                    Err(_) => self.complain(
                        &path,
                        Complaint::new("names a file with the wrong content", format!("it must hold {}", kind.words())),
                    ),
                },
                Err(error) => {
                    let problem = format!("names the file {file:?}, which cannot be read ({})", error.kind());
                    self.complain(&path, Complaint::new(problem, "correct the path or the rights of the file"));
                }
            }
        }
    }

    fn existing_file(&mut self, file: &str, path: &str) -> Value {
        let file = self.origins.folder(path).join(file);
        match std::fs::File::open(&file).and_then(|file| file.metadata()) {
            Ok(found) if found.is_dir() => {
                self.complain(path, Complaint::new("names a folder", "name a file in it"));
                Value::Null
            }
            Ok(_) => Value::String(file.to_string_lossy().into_owned()),
            Err(error) => {
                let problem = format!("names a file that cannot be read ({})", error.kind());
                self.complain(path, Complaint::new(problem, "correct the path or the rights of the file"));
                Value::Null
            }
        }
    }

    fn wrong_sort(&mut self, value: &Value, wanted: &str, path: &str) -> Value {
        let complaint = Complaint::new(format!("is {}", kind::sort(value)), format!("write {wanted}"));
        self.complain(path, complaint);
        Value::Null
    }
}

fn unknown(name: &str, entries: &BTreeMap<&'static str, Schema>) -> Complaint {
    let cure = match suggest::nearest(name, entries.keys().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        // A key in the wrong section is found by its last word.
        None => match keys::all().find(|key| key.path.rsplit('.').next() == Some(name)) {
            Some(key) => format!("did you mean `{}`?", key.path),
            None => format!("known here: {}", entries.keys().copied().collect::<Vec<_>>().join(", ")),
        },
    };
    Complaint::new("is not a known key", cure)
}
