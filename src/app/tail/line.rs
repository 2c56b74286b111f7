//! How an event looks: `time id event args`, on one line.

use std::fmt::Write as _;

use crate::app::terminal::one_line;
use crate::event::Position;
use crate::protocol::socket::{arguments, event_name};

/// An event as it came in.
pub(super) struct Event<'a> {
    /// The array of the packet, the event's name first.
    pub args: &'a str,
    /// Sizes of its attachments, in bytes.
    pub attachments: &'a [usize],
    /// In a recoverable namespace the gateway appends where the event stands in the log.
    pub recoverable: bool,
}

/// The line for an event that came in at `wall_ms`. Without a place in the log the id is `-`.
pub(super) fn line(wall_ms: u64, event: &Event<'_>) -> String {
    let args = arguments(event.args).unwrap_or_default();
    let (name, mut args) = args.split_first().map_or((r#""""#, &args[..]), |(name, args)| (*name, args));
    let mut id = "-".to_owned();
    if event.recoverable
        && let Some((last, others)) = args.split_last()
        && let Some(position) = position(last)
    {
        id = position.id.to_string();
        args = others;
    }
    let mut line = format!("{} {id} {}", time(wall_ms), name_shown(name));
    for arg in args {
        line.push(' ');
        line.push_str(&one_line(arg));
    }
    for (index, bytes) in event.attachments.iter().enumerate() {
        // Writing to a text cannot fail.
        let _ = write!(line, " #{index}:{bytes}B");
    }
    line
}

fn position(arg: &str) -> Option<Position> {
    let text: String = serde_json::from_str(arg).ok()?;
    text.parse().ok()
}

/// Bare where it is one plain word, else as JSON, so that columns stay columns.
fn name_shown(raw: &str) -> String {
    let name = event_name(raw);
    let plain = !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control());
    if plain { name.into_owned() } else { one_line(raw) }
}

fn time(wall_ms: u64) -> String {
    let timestamp = i64::try_from(wall_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(|| wall_ms.to_string(), |timestamp| format!("{timestamp:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(args: &str, attachments: &[usize], recoverable: bool) -> String {
        let line = line(1_000, &Event { args, attachments, recoverable });
        line.strip_prefix("1970-01-01T00:00:01.000Z ").unwrap().to_owned()
    }

    #[test]
    fn the_place_in_the_log_is_shown_as_the_id() {
        assert_eq!(shown(r#"["news",{"a":1},2,"e1.5-7"]"#, &[], true), r#"5-7 news {"a":1} 2"#);
        assert_eq!(shown(r#"["news","e1.5-7"]"#, &[], false), r#"- news "e1.5-7""#);
        assert_eq!(shown(r#"["news","hello"]"#, &[], true), r#"- news "hello""#);
    }

    #[test]
    fn one_event_is_one_line_whatever_it_holds() {
        assert_eq!(
            shown("[\"two words\",{\"a\":\n1},\"\u{9b}x\"]", &[], false),
            "- \"two words\" {\"a\": 1} \"\\u009bx\""
        );
        assert_eq!(shown("[]", &[], true), "- \"\"");
    }

    #[test]
    fn attachments_are_told_by_their_size() {
        let args = r#"["file",{"_placeholder":true,"num":0}]"#;
        assert_eq!(shown(args, &[12], false), r#"- file {"_placeholder":true,"num":0} #0:12B"#);
    }
}
