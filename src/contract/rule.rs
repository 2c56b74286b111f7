//! The compiled rules of a namespace.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Expression, VerbName};

/// What happens on connect and on each event of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contract {
    pub(super) on_connect: Vec<Action>,
    pub(super) events: HashMap<Box<str>, Rule>,
    pub(super) verbs: BTreeSet<VerbName>,
}

impl Contract {
    /// A namespace where clients may use the given verbs and nothing else happens.
    pub fn of_verbs(verbs: impl IntoIterator<Item = VerbName>) -> Self {
        Self { verbs: verbs.into_iter().collect(), ..Self::default() }
    }

    /// What to do for a socket after its CONNECT reply, in this order.
    pub fn on_connect(&self) -> &[Action] {
        &self.on_connect
    }

    /// The rule of an event, if the configuration has one. Ask this before [`Contract::allows`].
    pub fn on_event(&self, name: &str) -> Option<&Rule> {
        self.events.get(name)
    }

    /// Whether anything here says back what a client sent with its CONNECT; if not, nobody need keep it.
    pub fn reads_auth(&self) -> bool {
        let on_connect = self.on_connect.iter().any(|action| match action {
            Action::Emit(emit) => emit.reads_auth(),
        });
        on_connect || self.events.values().any(Rule::reads_auth)
    }

    /// Whether clients may use this verb here.
    pub fn allows(&self, verb: VerbName) -> bool {
        self.verbs.contains(&verb)
    }
}

/// What one event does. Parts that are `None` do nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Sent back to the socket that emitted.
    pub reply: Option<Emit>,
    /// The arguments of the ack, for a client that asked for one.
    pub ack: Option<Expression>,
}

impl Rule {
    fn reads_auth(&self) -> bool {
        self.reply.as_ref().is_some_and(Emit::reads_auth) || self.ack == Some(Expression::Auth)
    }
}

/// One thing done for a socket without its asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Emit(Emit),
}

/// An event to one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emit {
    pub event: Box<str>,
    pub args: Expression,
    /// Asks the client for an ack; when it comes, this is sent, `args` being the ack's arguments.
    pub answer: Option<Arc<Emit>>,
}

impl Emit {
    fn reads_auth(&self) -> bool {
        self.args == Expression::Auth || self.answer.as_ref().is_some_and(|answer| answer.reads_auth())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_is_kept_only_where_something_says_it_back() {
        let emit = |args, answer| Emit { event: "e".into(), args, answer };
        let plain = || emit(Expression::Args, None);
        let rule = |reply, ack| Contract { events: [("e".into(), Rule { reply, ack })].into(), ..Contract::default() };
        assert!(!Contract::of_verbs(VerbName::ALL).reads_auth());
        assert!(!rule(Some(plain()), Some(Expression::Args)).reads_auth());
        assert!(rule(None, Some(Expression::Auth)).reads_auth());
        assert!(rule(Some(emit(Expression::Args, Some(emit(Expression::Auth, None).into()))), None).reads_auth());
        let greets = vec![Action::Emit(emit(Expression::Auth, None))];
        assert!(Contract { on_connect: greets, ..Contract::default() }.reads_auth());
    }
}
