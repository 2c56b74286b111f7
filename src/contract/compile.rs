//! From the configuration of a namespace to its compiled rules, with everything that is wrong said at once.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Action, Contract, Emit, Expression, Rule, VerbName};

/// One thing wrong with the rules of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFault {
    /// Keys from the namespace inwards, as in `["events", "message", "reply"]`.
    pub path: Vec<String>,
    pub problem: String,
    pub cure: String,
}

impl Contract {
    /// Compiles the values of `on_connect` and `events` (null where not given).
    ///
    /// # Errors
    /// With all faults.
    pub fn compile(on_connect: &Value, events: &Value, verbs: &[VerbName]) -> Result<Self, Vec<RuleFault>> {
        let mut compiling = Compiling { path: Vec::new(), faults: Vec::new() };
        let on_connect = compiling.within("on_connect", |compiling| compiling.actions(on_connect));
        let events = compiling.within("events", |compiling| compiling.events(events));
        if compiling.faults.is_empty() {
            Ok(Self { on_connect, events, verbs: verbs.iter().copied().collect() })
        } else {
            Err(compiling.faults)
        }
    }
}

/// Names Socket.IO keeps for itself: a client that receives one as an event closes its connection.
pub(super) const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
const EVENT_BYTES_MAX: usize = 1024;

struct Compiling {
    path: Vec<String>,
    faults: Vec<RuleFault>,
}

impl Compiling {
    /// `on_connect` is one set of actions, or a list of them where their order counts.
    fn actions(&mut self, value: &Value) -> Vec<Action> {
        match value {
            Value::Null => Vec::new(),
            Value::Object(entries) => self.action_set(entries),
            Value::Array(sets) => {
                let mut actions = Vec::new();
                for (index, set) in sets.iter().enumerate() {
                    self.within(&index.to_string(), |compiling| match set {
                        Value::Object(entries) => actions.extend(compiling.action_set(entries)),
                        _ => compiling.complain("is not an action", "write `emit: {event, args}`"),
                    });
                }
                actions
            }
            _ => {
                self.complain("is not an action", "write `emit: {event, args}`, or a list of such");
                Vec::new()
            }
        }
    }

    fn action_set(&mut self, entries: &Map<String, Value>) -> Vec<Action> {
        let mut actions = Vec::new();
        for (name, value) in entries {
            self.within(name, |compiling| match name.as_str() {
                "emit" => actions.extend(compiling.emit(value, "[auth]").map(Action::Emit)),
                _ => compiling.complain("is not an action", "known here: emit"),
            });
        }
        for action in &actions {
            let Action::Emit(emit) = action;
            if emit.args == Expression::Args {
                self.within("emit", |compiling| {
                    compiling.complain("has no arguments to pass on", "write `\"[auth]\"` or a list");
                });
            }
        }
        actions
    }

    fn events(&mut self, value: &Value) -> HashMap<Box<str>, Rule> {
        let mut events = HashMap::new();
        match value {
            Value::Null => {}
            Value::Object(entries) => {
                for (name, value) in entries {
                    self.within(name, |compiling| {
                        compiling.check_event(name);
                        events.insert(name.as_str().into(), compiling.rule(value));
                    });
                }
            }
            _ => self.complain("is not a map of events", "write event names, each with its rule below it"),
        }
        events
    }

    fn rule(&mut self, value: &Value) -> Rule {
        let mut rule = Rule::default();
        let Value::Object(entries) = value else {
            self.complain("is not a rule", "write `reply: {event, args}`, `ack: args` or both");
            return rule;
        };
        for (name, value) in entries {
            self.within(name, |compiling| match name.as_str() {
                "reply" => rule.reply = compiling.emit(value, "args"),
                "ack" => rule.ack = compiling.expression(value),
                _ => compiling.complain("is not a part of a rule", "known here: reply, ack"),
            });
        }
        rule
    }

    fn emit(&mut self, value: &Value, example: &str) -> Option<Emit> {
        let Value::Object(entries) = value else {
            self.complain("is not an event to send", &format!("write `{{event: name, args: \"{example}\"}}`"));
            return None;
        };
        for name in entries.keys().filter(|name| !matches!(name.as_str(), "event" | "args" | "answer")) {
            self.within(name, |compiling| compiling.complain("is not a known key", "known here: event, args, answer"));
        }
        let event = entries.get("event").and_then(Value::as_str);
        match event {
            Some(event) => self.within("event", |compiling| compiling.check_event(event)),
            None => self.complain("has no `event`", "name the event to send"),
        }
        let args = match entries.get("args") {
            Some(value) => self.within("args", |compiling| compiling.expression(value)),
            None => Some(Expression::Literal(Box::default())),
        };
        let answer = entries.get("answer").map(|value| self.within("answer", |compiling| compiling.answer(value)));
        Some(Emit { event: event?.into(), args: args?, answer: answer.flatten().map(Arc::new) })
    }

    /// What is sent when the client's ack comes; that ends it.
    fn answer(&mut self, value: &Value) -> Option<Emit> {
        let answer = self.emit(value, "args")?;
        if answer.answer.is_some() {
            self.complain("asks again", "leave the inner `answer` out");
        }
        Some(answer)
    }

    fn expression(&mut self, value: &Value) -> Option<Expression> {
        Expression::parse(value).map_err(|(problem, cure)| self.complain(&problem, &cure)).ok()
    }

    fn check_event(&mut self, name: &str) {
        if RESERVED.contains(&name) {
            self.complain("is a name Socket.IO keeps for itself", "take another name");
        } else if name.is_empty() || name.len() > EVENT_BYTES_MAX {
            self.complain("is not an event name", &format!("write 1 to {EVENT_BYTES_MAX} bytes"));
        }
    }

    fn within<T>(&mut self, name: &str, compile: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_owned());
        let compiled = compile(self);
        self.path.pop();
        compiled
    }

    fn complain(&mut self, problem: &str, cure: &str) {
        self.faults.push(RuleFault { path: self.path.clone(), problem: problem.into(), cure: cure.into() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rules_of_the_conformance_fixture_compile() {
        let on_connect = json!({"emit": {"event": "auth", "args": "[auth]"}});
        let events = json!({
            "message": {"reply": {"event": "message-back", "args": "args"}},
            "message-with-ack": {"ack": "args"},
        });
        let contract = Contract::compile(&on_connect, &events, &[VerbName::Ping]).unwrap();
        assert_eq!(
            contract.on_connect(),
            [Action::Emit(Emit { event: "auth".into(), args: Expression::Auth, answer: None })]
        );
        let reply = contract.on_event("message").unwrap().reply.as_ref().unwrap();
        assert_eq!((&*reply.event, &reply.args), ("message-back", &Expression::Args));
        assert_eq!(contract.on_event("message-with-ack").unwrap().ack, Some(Expression::Args));
        assert_eq!(contract.on_event("join"), None);
        assert!(contract.allows(VerbName::Ping) && !contract.allows(VerbName::Join));
    }

    #[test]
    fn a_list_of_actions_keeps_its_order() {
        let two = json!([{"emit": {"event": "b"}}, {"emit": {"event": "a", "args": [1]}}]);
        let contract = Contract::compile(&two, &Value::Null, &[]).unwrap();
        let names: Vec<_> = contract.on_connect().iter().map(|Action::Emit(emit)| &*emit.event).collect();
        assert_eq!(names, ["b", "a"]);
    }

    #[test]
    fn a_reply_may_ask_for_an_ack_and_say_what_follows() {
        let events = json!({"ask": {"reply": {"event": "question", "answer": {"event": "heard", "args": "args"}}}});
        let contract = Contract::compile(&Value::Null, &events, &[]).unwrap();
        let answer = contract.on_event("ask").unwrap().reply.as_ref().unwrap().answer.as_ref().unwrap();
        assert_eq!((&*answer.event, &answer.args), ("heard", &Expression::Args));
        let twice = json!({"ask": {"reply": {"event": "a", "answer": {"event": "b", "answer": {"event": "c"}}}}});
        assert_eq!(
            Contract::compile(&Value::Null, &twice, &[]).unwrap_err()[0].path,
            ["events", "ask", "reply", "answer"]
        );
    }

    #[test]
    fn all_faults_are_told_with_their_place() {
        let on_connect = json!({"emit": {"event": "disconnect", "args": "[auth]"}, "jion": []});
        let events = json!({"m": {"reply": {"args": "nonsense"}, "akc": "args"}, "n": 5, "connect": {}});
        let faults = Contract::compile(&on_connect, &events, &[]).unwrap_err();
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.join(".")).collect();
        assert_eq!(
            paths,
            [
                "on_connect.emit.event",
                "on_connect.jion",
                "events.connect",
                "events.m.akc",
                "events.m.reply",
                "events.m.reply.args",
                "events.n",
            ]
        );
        assert!(faults.iter().all(|fault| !fault.cure.is_empty()));
    }

    #[test]
    fn nothing_configured_is_an_empty_contract() {
        assert_eq!(Contract::compile(&Value::Null, &Value::Null, &[]).unwrap(), Contract::default());
    }

    #[test]
    fn on_connect_has_no_arguments_to_pass_on() {
        let on_connect = json!({"emit": {"event": "hello", "args": "args"}});
        assert_eq!(Contract::compile(&on_connect, &Value::Null, &[]).unwrap_err().len(), 1);
    }
}
