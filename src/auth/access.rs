//! What a socket may do with rooms, and which rooms it is put in by itself.

use super::claims::Claims;
use super::fault::OptionFault;
use super::pattern::Pattern;
use super::template::Template;
use crate::ids::Room;

/// The rights of a namespace's sockets. Empty lists allow nothing.
#[derive(Debug, Clone, Default)]
pub struct Access {
    pub join: Vec<Pattern>,
    pub publish: Vec<Pattern>,
}

impl Access {
    /// # Errors
    /// All faults of the patterns at once.
    pub fn parse(join: &[String], publish: &[String]) -> Result<Self, Vec<OptionFault>> {
        let mut faults = Vec::new();
        let join = all("join", join, Pattern::parse, &mut faults);
        let publish = all("publish", publish, Pattern::parse, &mut faults);
        if faults.is_empty() { Ok(Self { join, publish }) } else { Err(faults) }
    }

    pub fn may_join(&self, room: &Room, claims: &Claims) -> bool {
        self.join.iter().any(|pattern| pattern.covers(room.as_str(), claims))
    }

    pub fn may_publish(&self, room: &Room, claims: &Claims) -> bool {
        self.publish.iter().any(|pattern| pattern.covers(room.as_str(), claims))
    }
}

/// The rooms a socket is in from the start.
#[derive(Debug, Clone, Default)]
pub struct AutomaticRooms(Vec<Template>);

impl AutomaticRooms {
    /// # Errors
    /// All faults of the templates at once.
    pub fn parse(templates: &[String]) -> Result<Self, Vec<OptionFault>> {
        let mut faults = Vec::new();
        let templates = all("rooms", templates, Template::parse, &mut faults);
        if faults.is_empty() { Ok(Self(templates)) } else { Err(faults) }
    }

    /// The rooms for these claims, each once. A template whose claim is missing yields none.
    pub fn rooms(&self, claims: &Claims) -> Vec<Room> {
        let mut rooms = Vec::with_capacity(self.0.len());
        for room in self.0.iter().filter_map(|template| template.room(claims)) {
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        rooms
    }
}

fn all<T>(
    field: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, super::fault::Fault>,
    faults: &mut Vec<OptionFault>,
) -> Vec<T> {
    let mut parsed = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match parse(text) {
            Ok(value) => parsed.push(value),
            Err(fault) => faults.push(OptionFault::new(format!("{field}[{index}]"), fault)),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fault::Fault;
    use super::*;

    #[test]
    fn joining_and_publishing_are_separate_rights_and_default_to_none() {
        let claims = json!({"sub": "u1"}).as_object().unwrap().clone();
        let room = Room::new("chat:1").unwrap();
        let access = Access::parse(&["chat:*".to_owned()], &["user:{sub}".to_owned()]).unwrap();
        assert!(access.may_join(&room, &claims));
        assert!(!access.may_publish(&room, &claims));
        assert!(access.may_publish(&Room::new("user:u1").unwrap(), &claims));
        assert!(!Access::default().may_join(&room, &claims));
    }

    #[test]
    fn all_faults_come_at_once() {
        let faults = Access::parse(&["ok".to_owned(), "{".to_owned()], &[String::new()]).unwrap_err();
        assert_eq!(faults, [OptionFault::new("join[1]", Fault::Braces), OptionFault::new("publish[0]", Fault::Empty)]);
    }

    #[test]
    fn automatic_rooms_are_those_whose_claims_are_there() {
        let templates = ["user:{sub}", "lga:{lgaId}", "user:{sub}"].map(str::to_owned);
        let rooms = AutomaticRooms::parse(&templates).unwrap().rooms(json!({"sub": "u1"}).as_object().unwrap());
        assert_eq!(rooms, [Room::new("user:u1").unwrap()]);
    }
}
