//! Which channels belong to which way in, and what to listen to for a set of namespaces.

use std::collections::BTreeSet;

use super::Options;
use crate::ids::Namespace;

/// The way in that a channel belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Emitter,
    Request,
    Python,
    Plain,
}

/// `None` for a channel of a way that is closed, or of none.
pub(super) fn way_of(options: &Options, channel: &str) -> Option<Way> {
    let key = options.emitter.then(|| channel.strip_prefix(options.emitter_key.as_str())).flatten();
    if options.python && channel == options.python_channel {
        Some(Way::Python)
    } else if key.is_some_and(|rest| rest.starts_with("#/")) {
        Some(Way::Emitter)
    } else if options.emitter_requests && key.is_some_and(|rest| rest.starts_with("-request#/")) {
        Some(Way::Request)
    } else if options.plain && channel.strip_prefix(&options.plain_prefix).is_some_and(|rest| rest.starts_with(":/")) {
        Some(Way::Plain)
    } else {
        None
    }
}

/// Channels and patterns to listen to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) channels: BTreeSet<String>,
    pub(super) patterns: BTreeSet<String>,
}

impl Heard {
    /// What is needed for the namespaces this node leads. No message is matched twice: what a pattern of one namespace
    /// covers is not listened to again for another, since the server would deliver it once for each.
    pub(super) fn wanted(options: &Options, led: &[&Namespace]) -> Self {
        let mut heard = Self::default();
        if options.python && !led.is_empty() {
            heard.channels.insert(options.python_channel.clone());
        }
        for namespace in led {
            let covered = |sign: char| led.iter().any(|other| covers(other, namespace, sign));
            if options.plain && !covered(':') {
                let channel = format!("{}:{namespace}", options.plain_prefix);
                heard.patterns.insert(format!("{}:*", escaped(&channel)));
                heard.channels.insert(channel);
            }
            if options.emitter {
                if !covered('#') {
                    heard.patterns.insert(format!("{}*", escaped(&format!("{}#{namespace}#", options.emitter_key))));
                }
                if options.emitter_requests {
                    heard.channels.insert(format!("{}-request#{namespace}#", options.emitter_key));
                }
            }
        }
        heard
    }

    /// What is here and not there.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self {
            channels: self.channels.difference(&other.channels).cloned().collect(),
            patterns: self.patterns.difference(&other.patterns).cloned().collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// As the port takes them.
    pub(super) fn lists(&self) -> (Vec<String>, Vec<String>) {
        (self.channels.iter().cloned().collect(), self.patterns.iter().cloned().collect())
    }
}

/// Whether the pattern for the rooms of `wide` matches the channels of `narrow` as well.
fn covers(wide: &Namespace, narrow: &Namespace, sign: char) -> bool {
    narrow.as_str().strip_prefix(wide.as_str()).is_some_and(|rest| rest.starts_with(sign))
}

/// Text that a Redis pattern takes literally.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(names: &[&str]) -> (Vec<String>, Vec<String>) {
        let namespaces: Vec<Namespace> = names.iter().map(|name| Namespace::new(name).unwrap()).collect();
        Heard::wanted(&Options::default(), &namespaces.iter().collect::<Vec<_>>()).lists()
    }

    #[test]
    fn a_leader_listens_to_its_namespaces_only() {
        assert_eq!(wanted(&[]), (vec![], vec![]));
        let (channels, patterns) = wanted(&["/"]);
        assert_eq!(channels, ["fanfare:/", "socket.io-request#/#", "socketio"]);
        assert_eq!(patterns, ["fanfare:/:*", "socket.io#/#*"]);
    }

    #[test]
    fn names_with_pattern_characters_match_themselves_only() {
        let (channels, patterns) = wanted(&["/a*[b]?"]);
        assert!(channels.contains(&"fanfare:/a*[b]?".to_owned()));
        assert_eq!(patterns, [r"fanfare:/a\*\[b\]\?:*", r"socket.io#/a\*\[b\]\?#*"]);
    }

    #[test]
    fn no_message_is_heard_twice() {
        let (channels, patterns) = wanted(&["/a", "/a:b", "/a#c", "/ab"]);
        assert_eq!(
            patterns,
            [
                "fanfare:/a#c:*",
                "fanfare:/a:*",
                "fanfare:/ab:*",
                "socket.io#/a#*",
                "socket.io#/a:b#*",
                "socket.io#/ab#*"
            ]
        );
        assert!(!channels.contains(&"fanfare:/a:b".to_owned()) && channels.contains(&"fanfare:/ab".to_owned()));
    }

    #[test]
    fn channels_are_told_apart_by_their_prefix() {
        let options = Options::default();
        let way = |channel| way_of(&options, channel);
        assert_eq!(way("socket.io#/#room#"), Some(Way::Emitter));
        assert_eq!(way("socket.io-request#/#"), Some(Way::Request));
        assert_eq!(way("socketio"), Some(Way::Python));
        assert_eq!(way("fanfare:/:r"), Some(Way::Plain));
        assert_eq!(way("socket.io-response#/#"), None);
        let closed = Options { emitter: false, python: false, plain: false, ..options };
        assert!(
            ["socket.io#/#", "socket.io-request#/#", "socketio", "fanfare:/"]
                .iter()
                .all(|name| way_of(&closed, name).is_none())
        );
    }
}
