//! `docs/configuration.md`, written from the table of keys.

use std::fmt::Write as _;

use super::keys::{self, Key, Preset};
use super::kind::Kind;

/// The text of `docs/configuration.md`.
pub fn document() -> String {
    let mut text = String::from(INTRODUCTION);
    for section in keys::SECTIONS {
        let _ = write!(text, "\n## {}\n\n{}\n\n", section.title, section.text);
        text += "| key | meaning | value | default |\n|---|---|---|---|\n";
        for key in section.keys {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                name(key.path),
                cell(&format!("{}{}", key.sentence, ways(key))),
                cell(&value(key)),
                cell(&default(key))
            );
        }
    }
    text
}

/// The path as an operator would write it, with a word for what stands for anything.
fn name(path: &str) -> String {
    path.replace("namespaces.*", "namespaces.<name>")
}

fn value(key: &Key) -> String {
    if let Kind::Integer { min, max } = key.kind {
        return format!("{}, {min} to {max}", key.unit);
    }
    key.kind.words()
}

fn default(key: &Key) -> String {
    match key.preset {
        Preset::Json(text) => format!("`{}`", text.trim_matches('"')),
        Preset::Absent => "none".into(),
        Preset::Required => "must be given".into(),
        Preset::Derived(words) => words.into(),
    }
}

fn ways(key: &Key) -> String {
    let Some(variable) = key.environment() else { return String::new() };
    let mut ways = format!(" `{variable}`");
    if let Some(alias) = key.environment_alias() {
        let _ = write!(ways, ", `{alias}`");
    }
    if let Some(flag) = key.flag() {
        let _ = write!(ways, ", `{flag}`");
    }
    ways
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const INTRODUCTION: &str = r#"# Configuration

<!-- Written from the table of keys in src/config/keys by a test: UPDATE_DOCS=1 cargo test --lib config::tests::document -->

Fanfare needs no configuration: `fanfare` alone runs in development mode on one machine. For everything else there is one YAML file,
named by `--config` or `FANFARE_CONFIG`. Environment variables win over the file, flags over variables. `fanfare check FILE` lists all faults
of a file at once; the server does the same before it opens a port, and exits with code 64.

- An unknown key is a fault, as is a key that stands twice. So is a `FANFARE_` variable that looks like a misspelt one.
- Numbers carry their unit in the key: `_ms` milliseconds, `_s` seconds, `_bytes` bytes.
- A key with nothing behind it, and a variable with an empty value, count as not given.
- Lists in variables are separated by commas: `FANFARE_CORS_ORIGINS=https://a.example.com,https://b.example.com`.
- Secrets may stand in files of their own: `secret_file`, `key_file`, `password_file`. A line break at their end is dropped. Relative paths
  begin at the folder of the configuration file, or at the working directory if they come from a variable.

```yaml
listen: 0.0.0.0:3001
admin: 0.0.0.0:9090
redis:
  url: redis://redis.internal:6379
auth:
  issuers:
    - name: main
      issuer: https://id.example.com/
      audiences: [chat]
      jwks_url: https://id.example.com/.well-known/jwks.json
namespaces:
  "/":
    rooms: ["user:{sub}"]
    join: ["public:*"]
publish:
  keys:
    - name: orders
      key_file: /run/secrets/orders-key
```
"#;
