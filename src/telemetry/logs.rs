//! The log of the process: which lines are written, in which form, and where to.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::lines::{Line, Spans};

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// The least important lines of the gateway itself. Libraries write from `warn` upwards, and with `trace` from `debug`.
    pub level: Level,
    /// `None` is pretty on a terminal and JSON elsewhere.
    pub form: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Json,
    /// For the eye.
    Pretty,
}

/// Makes this the log of the process, on standard error.
///
/// # Errors
/// If there is a log already.
pub fn install(options: LogOptions) -> Result<(), TryInitError> {
    let terminal = std::io::stderr().is_terminal();
    let form = options.form.unwrap_or(if terminal { Form::Pretty } else { Form::Json });
    subscriber(options.level, form, terminal, std::io::stderr).try_init()
}

/// The log with a writer of the caller's choice; `colour` concerns the pretty form.
pub fn subscriber<W>(level: Level, form: Form, colour: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(false).event_format(Line { form, colour });
    // Spans are filtered like lines: what is not written need not be remembered.
    Registry::default().with(Spans.and_then(lines).with_filter(targets(level)))
}

fn targets(level: Level) -> Targets {
    let libraries = if level == Level::TRACE { Level::DEBUG } else { level.min(Level::WARN) };
    Targets::new().with_default(LevelFilter::from_level(libraries)).with_target("fanfare", level)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::{debug, info, info_span, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(form: Form, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        tracing::subscriber::with_default(subscriber(Level::INFO, form, false, move || writer.clone()), log);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn json_lines(log: impl FnOnce()) -> Vec<Value> {
        written(Form::Json, log).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_json_line_has_time_level_and_event() {
        let lines = json_lines(|| {
            info!(event = "realtime.connect", transport = "websocket", clients = 3, "connected");
            warn!(target: "fred", "the connection was lost\n");
        });
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!((&lines[0]["level"], &lines[0]["event"]), (&"INFO".into(), &"realtime.connect".into()));
        assert_eq!((&lines[0]["clients"], &lines[0]["message"]), (&3.into(), &"connected".into()));
        assert_eq!((&lines[1]["event"], &lines[1]["target"]), (&"log".into(), &"fred".into()));
    }

    #[test]
    fn lines_carry_the_fields_of_their_spans() {
        let lines = json_lines(|| {
            let span = info_span!("connection", sid = "outer", user = tracing::field::Empty);
            span.record("user", "u1");
            let _guard = span.enter();
            info!(event = "realtime.join", sid = "inner");
            let _more = info_span!("flow", token = "eyJ", step = 1_u64).entered();
            info!(event = "realtime.leave");
        });
        assert_eq!((&lines[0]["sid"], &lines[0]["user"]), (&"inner".into(), &"u1".into()));
        assert_eq!((&lines[1]["step"], &lines[1]["token"]), (&1.into(), &"[redacted]".into()));
    }

    #[test]
    fn no_line_holds_a_token() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl";
        for form in [Form::Json, Form::Pretty] {
            let text = written(form, || {
                info!(event = "realtime.auth_failed", token, query = %format!("/?token={token}"), "refused {token}");
            });
            assert!(!text.contains("c2lnbmF0dXJl") && text.contains("realtime.auth_failed"), "{text}");
        }
    }

    #[test]
    fn peers_cannot_forge_lines() {
        let text = written(Form::Pretty, || info!(event = "a", room = "x\n2026 INFO forged", "say \x1b[2J\nforged"));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\x1b'));
        assert_eq!(json_lines(|| info!(event = "a", level = "forged", "a\nb"))[0]["level"], "INFO");
    }

    #[test]
    fn libraries_are_heard_from_warnings_on() {
        let lines = json_lines(|| {
            info!(target: "hyper", "chatter");
            debug!(target: "fanfare::hub", "detail");
            info!(target: "fanfare::hub", "news");
            warn!(target: "fred", "trouble");
        });
        let targets: Vec<_> = lines.iter().map(|line| line["target"].as_str().unwrap()).collect();
        assert_eq!(targets, ["fanfare::hub", "fred"]);
    }
}
