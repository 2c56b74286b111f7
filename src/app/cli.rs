//! The command line. People script it, so words, flags and defaults here are kept from release to release.
//!
//! Commands have no `Debug`, since they hold secrets and tokens. Only what was typed is kept here. Variables of the environment are read by `config/`, where their precedence is decided.

#![expect(clippy::doc_markdown, reason = "clap prints these comments, and backticks would be noise in a terminal")]

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::config::Flags;

/// Real-time event fan-out on Redis for unmodified Socket.IO clients.
///
/// Without a command the gateway starts; without any argument it starts in development mode on this machine alone.
#[derive(Clone, PartialEq, Eq, Parser)]
#[command(name = "fanfare", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

impl Cli {
    /// What to do: the command given, else `serve`.
    pub fn chosen(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

#[derive(Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Starts the gateway; this is what happens without a command
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Checks a configuration file and lists everything that is wrong with it
    #[command(
        after_help = "Exits with 0 if the file is right, with 64 if not.\n\nExample:\n  fanfare check fanfare.yaml"
    )]
    Check(Check),
    /// Signs a token with a shared secret, for trying things out
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(Token),
    /// Publishes one event to a room
    #[command(after_help = PUBLISH_EXAMPLES)]
    Publish(Publish),
    /// Connects as a client and prints events as they come
    #[command(after_help = TAIL_EXAMPLES)]
    Tail(Tail),
    /// Examines configuration, Redis, ports and limits, and names the cure for what is wrong
    #[command(
        after_help = "Examples:\n  fanfare doctor\n  fanfare doctor --config fanfare.yaml --redis redis://127.0.0.1:6379"
    )]
    Doctor(Doctor),
    /// Asks a running gateway whether it is ready; for health checks of containers
    #[command(
        after_help = "Exits with 0 if the gateway is ready, with 1 if not.\n\nExample:\n  fanfare health --admin 127.0.0.1:9090"
    )]
    Health(Health),
}

/// Flags win over the environment, and that over the file.
#[derive(Clone, Default, PartialEq, Eq, Args)]
pub struct Serve {
    /// Configuration file (YAML) [env: FANFARE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where clients and backends connect [env: FANFARE_LISTEN] [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Where health and metrics are served [env: FANFARE_ADMIN] [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// Where Redis is; without it everything stays in this process [env: REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
    /// Host and port under which other nodes reach this one [env: FANFARE_ADVERTISE]
    #[arg(long, value_name = "ADDR")]
    pub advertise: Option<String>,
}

impl From<Serve> for Flags {
    fn from(serve: Serve) -> Self {
        let Serve { config, listen, admin, redis, advertise } = serve;
        Self { config, listen, admin, redis, advertise }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Check {
    /// The file to check
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Clone, PartialEq, Eq, Args)]
pub struct Token {
    /// The shared secret of the issuer
    #[arg(long, value_name = "S")]
    pub secret: String,
    /// The user, as the `sub` claim
    #[arg(long, value_name = "U")]
    pub sub: String,
    /// A further claim; values that are JSON are taken as JSON, others as text
    #[arg(long = "claim", value_name = "K=V", value_parser = claim)]
    pub claims: Vec<(String, String)>,
    /// How long the token is valid, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub ttl: u64,
}

#[derive(Clone, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("way").multiple(false))]
pub struct Publish {
    /// The gateway to publish through; `None` is the default address.
    #[arg(
        long,
        value_name = "URL",
        group = "way",
        help = "The gateway to publish through [default: http://127.0.0.1:3001]"
    )]
    pub url: Option<String>,
    /// Publish through Redis instead
    #[arg(long, value_name = "URL", group = "way")]
    pub redis: Option<String>,
    /// The namespace
    #[arg(long, value_name = "N", default_value = "/")]
    pub namespace: String,
    /// The publish key; not needed from the gateway's own machine in development mode [env: FANFARE_KEY]
    #[arg(long, value_name = "K", conflicts_with = "redis")]
    pub key: Option<String>,
    /// The room whose sockets get the event
    #[arg(long, value_name = "R")]
    pub room: String,
    /// The name of the event
    #[arg(value_name = "EVENT")]
    pub event: String,
    /// The event's argument, as JSON
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    pub json: String,
}

#[derive(Clone, PartialEq, Eq, Args)]
pub struct Tail {
    /// The gateway to connect to
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3001")]
    pub url: String,
    /// The namespace
    #[arg(long, value_name = "N", default_value = "/")]
    pub namespace: String,
    /// A room to join first
    #[arg(long, value_name = "R")]
    pub room: Option<String>,
    /// The token to connect with
    #[arg(long, value_name = "T")]
    pub token: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Args)]
pub struct Doctor {
    /// Configuration file (YAML) [env: FANFARE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where Redis is [env: REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub redis: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Health {
    /// The admin address of the gateway [env: FANFARE_ADMIN] [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
}

fn claim(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as name=value".into()),
    }
}

const EXAMPLES: &str = "\
Examples:
  fanfare                                          try it on this machine
  fanfare --config fanfare.yaml                    serve with a configuration
  fanfare publish --room kitchen news '{\"a\":1}'    send an event to a room
  fanfare tail --room kitchen                      watch a room";

const SERVE_EXAMPLES: &str = "\
Examples:
  fanfare --listen 0.0.0.0:3001 --redis redis://redis:6379
  fanfare serve --config /etc/fanfare.yaml

The first SIGTERM drains, the second ends at once. A faulty configuration exits with 64.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  fanfare token --secret \"$SECRET\" --sub alice
  fanfare token --secret \"$SECRET\" --sub alice --claim iss=main --claim 'roles=[\"admin\"]' --ttl 60";

const PUBLISH_EXAMPLES: &str = "\
Examples:
  fanfare publish --room kitchen news '{\"hello\":\"world\"}'
  fanfare publish --url https://gateway.example.com --key \"$KEY\" --namespace /orders --room o:7 changed 42
  fanfare publish --redis redis://127.0.0.1:6379 --room kitchen news null";

const TAIL_EXAMPLES: &str = "\
Examples:
  fanfare tail --room kitchen
  fanfare tail --url https://gateway.example.com --namespace /orders --token \"$TOKEN\"";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(Cli::chosen)
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_meant_when_nothing_is_said() {
        assert!(matches!(parse("fanfare").unwrap(), Command::Serve(serve) if serve == Serve::default()));
        let typed = "--config f.yaml --listen 0.0.0.0:1 --admin 127.0.0.1:2 --redis redis://c --advertise n:3";
        let (short, long) =
            (parse(&format!("fanfare {typed}")).unwrap(), parse(&format!("fanfare serve {typed}")).unwrap());
        let (Command::Serve(short), Command::Serve(long)) = (short, long) else { panic!("serve twice") };
        assert!(short == long);
        let flags = Flags::from(long);
        assert_eq!((flags.listen.as_deref(), flags.redis.as_deref()), (Some("0.0.0.0:1"), Some("redis://c")));
        assert!(parse("fanfare --listen 0.0.0.0:1 check f").is_err());
    }

    #[test]
    fn each_command_takes_what_scripts_write() {
        assert!(matches!(parse("fanfare check f.yaml").unwrap(), Command::Check(_)));
        let Command::Token(token) = parse("fanfare token --secret s --sub u --claim a=b=c --claim x=1").unwrap() else {
            panic!("a token")
        };
        assert_eq!(token.claims, [("a".into(), "b=c".into()), ("x".into(), "1".into())]);
        assert_eq!(token.ttl, 3600);
        let Command::Publish(publish) = parse("fanfare publish --room r e {}").unwrap() else {
            panic!("a publication")
        };
        assert_eq!((publish.namespace.as_str(), publish.event.as_str(), publish.json.as_str()), ("/", "e", "{}"));
        assert!(
            matches!(parse("fanfare tail --room r").unwrap(), Command::Tail(tail) if tail.url == "http://127.0.0.1:3001")
        );
        assert!(matches!(parse("fanfare doctor --redis redis://c").unwrap(), Command::Doctor(_)));
        assert!(matches!(parse("fanfare health").unwrap(), Command::Health(_)));
    }

    #[test]
    fn a_publication_goes_one_way() {
        assert!(parse("fanfare publish --url http://a --redis redis://b --room r e 1").is_err());
        assert!(parse("fanfare publish --redis redis://b --key k --room r e 1").is_err());
        assert!(parse("fanfare publish e 1").is_err());
        assert!(parse("fanfare token --secret s --sub u --claim nonsense").is_err());
    }

    #[test]
    fn a_negative_number_is_an_argument_and_not_a_flag() {
        assert!(
            matches!(parse("fanfare publish --room r e -1").unwrap(), Command::Publish(publish) if publish.json == "-1")
        );
    }

    #[test]
    fn help_of_every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("fanfare "), "{}", command.get_name());
        }
    }
}
