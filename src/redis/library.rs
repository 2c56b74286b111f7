//! Calls the functions of `publish.lua`, `sessions.lua` and `nodes.lua`, and puts them back when Redis has lost them.
//!
//! Where FUNCTION is missing or forbidden, the same bodies run as scripts; which of the two is found out once, and again
//! whenever a reload is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fred::clients::{Client, Pipeline, WithOptions};
use fred::error::Error;
use fred::interfaces::ClientLike as _;
use fred::types::config::Options as CallOptions;
use fred::types::{ClusterHash, CustomCommand, Value};
use fred::util::redis_keyslot;
use sha1::{Digest as _, Sha1};

use super::counters::Counters;
use super::options::ConnectError;

/// Changes with every change of a body, so that nodes of two versions can share a Redis.
pub(super) const LIBRARY: &str = "fanfare_1";

/// In the order of [`Function::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Publish,
    Lead,
    Resign,
    Probe,
    Save,
    Claim,
    NodeEnter,
    NodeRenew,
    NodeLeave,
    NodeDead,
}

/// One call: the first key decides the slot.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) keys: Vec<String>,
    pub(super) args: Vec<Value>,
}

pub(super) struct Library {
    client: Client,
    as_scripts: AtomicBool,
    /// Text and SHA-1 of each function as a script, in the order of [`Function::ALL`].
    scripts: [(String, String); Function::ALL.len()],
    counters: Arc<Counters>,
}

impl Library {
    /// Loads the library, or finds out that it was loaded by somebody with more rights, or that scripts have to do.
    pub(super) async fn load(client: Client, counters: Arc<Counters>) -> Result<Self, ConnectError> {
        let scripts = Function::ALL.map(|function| {
            let text = function.script();
            let digest = format!("{:x}", Sha1::digest(&text));
            (text, digest)
        });
        let library = Self { client, as_scripts: AtomicBool::new(false), scripts, counters };
        let slot = redis_keyslot(library.client.id().as_bytes());
        library.reload(slot, super::client::COMMAND_TIMEOUT).await;
        if !library.as_scripts.load(Ordering::Relaxed) {
            return Ok(library);
        }
        // FUNCTION LOAD was refused, but FCALL may be allowed and the library there.
        let loaded = options(super::client::COMMAND_TIMEOUT);
        let call: Result<Value, Error> = library
            .client
            .with_options(&loaded)
            .custom(command("FCALL", slot), vec![Value::from(Function::Lead.name()), Value::from("0")])
            .await;
        if call.is_err_and(|error| is_called(&error)) {
            library.as_scripts.store(false, Ordering::Relaxed);
            return Ok(library);
        }
        library
            .client
            .custom::<Value, _>(command("EVAL", slot), vec!["return 1", "0"])
            .await
            .map_err(|error| ConnectError::Scripting(error.details().to_owned()))?;
        Ok(library)
    }

    pub(super) fn runs_as_scripts(&self) -> bool {
        self.as_scripts.load(Ordering::Relaxed)
    }

    /// Sent once; a second time only if Redis said that it does not know the function, and so has not run it.
    pub(super) async fn call(&self, call: &Call, deadline: Duration) -> Result<Value, Error> {
        let client = self.client.with_options(&options(deadline));
        match self.send(&client, call).await {
            Err(error) if is_missing(&error) => {
                let whole = self.restore(call.slot(), deadline).await;
                let (command, args) = self.request(call, whole);
                client.custom(command, args).await
            }
            answer => answer,
        }
    }

    /// The same, followed by WAIT on the connection of `client`: the answer and the number of replicas.
    pub(super) async fn call_and_wait(
        &self,
        client: &Client,
        call: &Call,
        replicas: u32,
        deadline: Duration,
    ) -> Result<(Value, u32), Error> {
        let client = client.with_options(&options(deadline));
        // WAIT runs even where the script before it is unknown, so there is no time for a second try.
        let mut whole = self.runs_as_scripts();
        for attempt in 0..2 {
            let pipeline = Pipeline::from(client.clone());
            let (command_line, args) = self.request(call, whole);
            let _: Value = pipeline.custom(command_line, args).await?;
            let wait_ms = deadline.as_millis() * 3 / 4;
            let _: Value =
                pipeline.custom(command("WAIT", call.slot()), vec![replicas.to_string(), wait_ms.to_string()]).await?;
            match pipeline.all::<(Value, u32)>().await {
                Err(error) if attempt == 0 && is_missing(&error) => whole = self.restore(call.slot(), deadline).await,
                answer => return answer,
            }
        }
        unreachable!("the second attempt returns whatever it got")
    }

    async fn send(&self, client: &WithOptions<Client>, call: &Call) -> Result<Value, Error> {
        let (command, args) = self.request(call, false);
        client.custom(command, args).await
    }

    fn request(&self, call: &Call, whole: bool) -> (CustomCommand, Vec<Value>) {
        let mut args = Vec::with_capacity(2 + call.keys.len() + call.args.len());
        let verb = match (self.runs_as_scripts(), whole) {
            (false, _) => {
                args.push(Value::from(call.function.name()));
                "FCALL"
            }
            (true, false) => {
                args.push(Value::from(self.scripts[call.function as usize].1.as_str()));
                "EVALSHA"
            }
            (true, true) => {
                args.push(Value::from(self.scripts[call.function as usize].0.as_str()));
                "EVAL"
            }
        };
        args.push(Value::from(call.keys.len().to_string()));
        args.extend(call.keys.iter().cloned().map(Value::from));
        args.extend(call.args.iter().cloned());
        (command(verb, call.slot()), args)
    }

    /// Answers whether the whole script has to be sent (which also makes Redis remember it).
    async fn restore(&self, slot: u16, deadline: Duration) -> bool {
        self.counters.reloads.add(1);
        if !self.runs_as_scripts() {
            self.reload(slot, deadline).await;
        }
        self.runs_as_scripts()
    }

    async fn reload(&self, slot: u16, deadline: Duration) {
        let loaded: Result<Value, Error> = self
            .client
            .with_options(&options(deadline))
            .custom(command("FUNCTION", slot), vec!["LOAD".to_owned(), "REPLACE".to_owned(), library_text()])
            .await;
        if let Err(error) = loaded
            && is_refused(&error)
        {
            tracing::info!(
                event = "redis.functions_refused",
                "functions cannot be loaded; the same code runs as scripts"
            );
            self.as_scripts.store(true, Ordering::Relaxed);
        }
    }
}

impl Function {
    const ALL: [Self; 10] = [
        Self::Publish,
        Self::Lead,
        Self::Resign,
        Self::Probe,
        Self::Save,
        Self::Claim,
        Self::NodeEnter,
        Self::NodeRenew,
        Self::NodeLeave,
        Self::NodeDead,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Lead => "lead",
            Self::Resign => "resign",
            Self::Probe => "probe",
            Self::Save => "save",
            Self::Claim => "claim",
            Self::NodeEnter => "node_enter",
            Self::NodeRenew => "node_renew",
            Self::NodeLeave => "node_leave",
            Self::NodeDead => "node_dead",
        }
    }

    /// The file that it stands in, with what it needs.
    fn body(self) -> &'static str {
        match self {
            Self::Publish | Self::Lead | Self::Resign | Self::Probe => PUBLISH,
            Self::Save | Self::Claim => SESSIONS,
            Self::NodeEnter | Self::NodeRenew | Self::NodeLeave | Self::NodeDead => NODES,
        }
    }

    fn name(self) -> String {
        format!("{LIBRARY}_{}", self.word())
    }

    fn script(self) -> String {
        format!("{}\nreturn {}(KEYS, ARGV)\n", self.body(), self.word())
    }
}

impl Call {
    pub(super) fn slot(&self) -> u16 {
        self.keys.first().map_or(0, |key| redis_keyslot(key.as_bytes()))
    }
}

/// A command of our own words for the node that holds the slot.
pub(super) fn command(verb: &'static str, slot: u16) -> CustomCommand {
    CustomCommand::new_static(verb, ClusterHash::Custom(slot), false)
}

/// Refused at once while not connected, never sent twice, never sent after its time.
pub(super) fn options(deadline: Duration) -> CallOptions {
    CallOptions { timeout: Some(deadline), fail_fast: true, ..CallOptions::default() }
}

const PUBLISH: &str = include_str!("publish.lua");
const SESSIONS: &str = include_str!("sessions.lua");
const NODES: &str = include_str!("nodes.lua");

fn library_text() -> String {
    use std::fmt::Write as _;
    let mut text = format!("#!lua name={LIBRARY}\n{PUBLISH}\n{SESSIONS}\n{NODES}\n");
    for function in Function::ALL {
        let _ = writeln!(text, "redis.register_function('{}', {})", function.name(), function.word());
    }
    text
}

fn is_missing(error: &Error) -> bool {
    error.details().contains("Function not found") || error.details().starts_with("NOSCRIPT")
}

fn is_refused(error: &Error) -> bool {
    let text = error.details();
    text.contains("NOPERM") || text.to_ascii_lowercase().contains("unknown command")
}

/// The error comes from within the function, so the function is there and may be called.
fn is_called(error: &Error) -> bool {
    error.details().contains(LIBRARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two nodes that share a Redis replace each other's library, so one name must mean the same bodies. Before the first release
    /// the digest may follow the bodies; after it, the name changes too.
    #[test]
    fn the_library_is_named_after_its_bodies() {
        assert_eq!(
            (LIBRARY, format!("{:x}", Sha1::digest([PUBLISH, SESSIONS, NODES].concat())).as_str()),
            ("fanfare_1", "2ddccf442bd371f99e66df01220b3e5c0337e14b")
        );
    }

    #[test]
    fn every_function_has_its_script() {
        assert!(Function::ALL.iter().enumerate().all(|(at, function)| *function as usize == at));
    }
}
