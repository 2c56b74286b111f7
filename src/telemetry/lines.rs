//! How one line of the log looks, and how its fields are written.
//!
//! JSON: `timestamp`, `level`, `event`, `target`, then the line's fields and those of the spans around it, inner ones winning.
//! Pretty: time, level, event, message, then the fields.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::logs::Form;
use super::redact;

/// The fields of a span, kept beside it until a line needs them.
struct SpanFields(Map<String, Value>);

/// Keeps the fields of spans in the form that lines want.
pub(super) struct Spans;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(SpanFields(known)) = span.extensions_mut().get_mut()
        {
            known.extend(fields.0);
        }
    }
}

/// Writes a line in one of the two forms.
pub(super) struct Line {
    pub form: Form,
    pub colour: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(SpanFields(known)) = span.extensions().get() {
                fields.extend(known.clone());
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        fields.extend(own.0);
        // A library names no event; its lines are found under one name.
        let name = fields.remove("event").unwrap_or_else(|| Value::from("log"));
        match self.form {
            Form::Json => json(writer, event, &name, fields),
            Form::Pretty => self.pretty(writer, event, &name, &fields),
        }
    }
}

fn json(mut writer: Writer<'_>, event: &Event<'_>, name: &Value, fields: Map<String, Value>) -> fmt::Result {
    let metadata = event.metadata();
    writer.write_str(r#"{"timestamp":""#)?;
    SystemTime.format_time(&mut writer)?;
    write!(writer, r#"","level":"{}","event":{name},"target":{}"#, metadata.level(), Value::from(metadata.target()))?;
    for (key, value) in fields {
        // These are ours; a second one would make the line ambiguous.
        let suffix = if matches!(key.as_str(), "timestamp" | "level" | "target") { "_" } else { "" };
        write!(writer, ",{}:{value}", Value::from(key + suffix))?;
    }
    writer.write_str("}\n")
}

impl Line {
    fn pretty(
        &self,
        mut writer: Writer<'_>,
        event: &Event<'_>,
        name: &Value,
        fields: &Map<String, Value>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        SystemTime.format_time(&mut writer)?;
        if self.colour {
            write!(writer, " \x1b[{}m{level:>5}\x1b[0m", colour(level))?;
        } else {
            write!(writer, " {level:>5}")?;
        }
        write!(writer, " {}", plain(name))?;
        if let Some(message) = fields.get("message") {
            write!(writer, "  {}", plain(message))?;
        }
        for (key, value) in fields.iter().filter(|(key, _)| *key != "message") {
            write!(writer, " {key}={value}")?;
        }
        writer.write_char('\n')
    }
}

/// A text without quotes, but with its control characters made visible: they could move the cursor of a terminal.
fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => {
            text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
        }
        None => value.to_string(),
    }
}

fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

/// Fields as JSON values, clean of secrets.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Value::from(&*redact::field(field.name(), value)));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}
