//! Names of keys and channels. Everything of a partition shares one hash tag, hence one slot and one atomic call.
//!
//! `<prefix>{<tenant><namespace>}:head | written | fence | lease | inbox | once:<digest> |
//! session:<digest> | canary:<node>` and, per topic,
//! `:stream:<topic>`, `:topic:<topic>`, `:channel:<topic>`, where a topic is `all` or `r` and the room in base64url: no
//! room's name can imitate another key. The registry of nodes is `<prefix>{<tenant>}:nodes:members | last | sweeper | secret |
//! lease:<node>`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::{Digest as _, Sha1};

use crate::event::{Partition, Topic};
use crate::ids::{NodeId, PrivateId, Room, Tenant};

#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// `None` if the prefix could move the hash tag or make keys unreadable.
    pub(super) fn new(prefix: &str) -> Option<Self> {
        let usable = prefix.len() <= 64 && !prefix.chars().any(|c| c == '{' || c == '}' || c.is_control());
        usable.then(|| Self { prefix: prefix.to_owned() })
    }

    pub(super) fn head(&self, partition: &Partition) -> String {
        self.of(partition, "head")
    }

    pub(super) fn written(&self, partition: &Partition) -> String {
        self.of(partition, "written")
    }

    pub(super) fn fence(&self, partition: &Partition) -> String {
        self.of(partition, "fence")
    }

    pub(super) fn lease(&self, partition: &Partition) -> String {
        self.of(partition, "lease")
    }

    pub(super) fn inbox(&self, partition: &Partition) -> String {
        self.of(partition, "inbox")
    }

    /// Publishers choose idempotency keys of any length and form; the digest has neither.
    pub(super) fn once(&self, partition: &Partition, key: &str) -> String {
        let digest = URL_SAFE_NO_PAD.encode(Sha1::digest(key.as_bytes()));
        self.of(partition, &format!("once:{digest}"))
    }

    /// The private id is a secret, and whoever may read keys need not learn it.
    pub(super) fn session(&self, partition: &Partition, pid: &PrivateId) -> String {
        let digest = URL_SAFE_NO_PAD.encode(Sha1::digest(pid.expose().as_bytes()));
        self.of(partition, &format!("session:{digest}"))
    }

    pub(super) fn stream(&self, partition: &Partition, topic: &Topic) -> String {
        self.of(partition, &format!("stream:{}", topic_name(topic)))
    }

    pub(super) fn topic(&self, partition: &Partition, topic: &Topic) -> String {
        self.of(partition, &format!("topic:{}", topic_name(topic)))
    }

    pub(super) fn channel(&self, partition: &Partition, topic: &Topic) -> String {
        self.of(partition, &format!("channel:{}", topic_name(topic)))
    }

    /// The channel on which this node hears itself, of one partition (Cluster: each slot is proven) or of the node.
    pub(super) fn canary(&self, partition: Option<&Partition>, node: &NodeId) -> String {
        match partition {
            Some(partition) => self.of(partition, &format!("canary:{node}")),
            None => format!("{}{{canary}}:{node}", self.prefix),
        }
    }

    /// A key of the registry of nodes. No partition shares its tag: theirs have a slash.
    pub(super) fn nodes(&self, tenant: &Tenant, name: &str) -> String {
        format!("{}{{{tenant}}}:nodes:{name}", self.prefix)
    }

    fn of(&self, partition: &Partition, name: &str) -> String {
        format!("{}{{{}{}}}:{name}", self.prefix, partition.tenant, partition.namespace)
    }
}

pub(super) fn topic_name(topic: &Topic) -> String {
    match topic {
        Topic::All => "all".to_owned(),
        Topic::Room(room) => format!("r{}", URL_SAFE_NO_PAD.encode(room.as_str())),
    }
}

/// The name of the topic whose channel this is; no name has a colon.
pub(super) fn topic_of_channel(channel: &str) -> &str {
    channel.rsplit_once(':').map_or(channel, |(_, name)| name)
}

pub(super) fn topic_named(name: &str) -> Option<Topic> {
    if name == "all" {
        return Some(Topic::All);
    }
    let bytes = URL_SAFE_NO_PAD.decode(name.strip_prefix('r')?).ok()?;
    Room::new(std::str::from_utf8(&bytes).ok()?).ok().map(Topic::Room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Namespace, Tenant};

    #[test]
    fn every_key_of_a_partition_is_in_one_slot_whatever_its_names() {
        let keys = Keys::new("app:").unwrap();
        for name in ["/", "/a}b{c", "/chat"] {
            let partition = Partition::new(Tenant::new("t").unwrap(), Namespace::new(name).unwrap());
            let slot = fred::util::redis_keyslot(keys.head(&partition).as_bytes());
            for room in ["x", "{y}", "}:head", "é \u{2028}"] {
                let topic = Topic::Room(Room::new(room).unwrap());
                for key in [
                    keys.stream(&partition, &topic),
                    keys.topic(&partition, &topic),
                    keys.channel(&partition, &topic),
                    keys.once(&partition, room),
                ] {
                    assert_eq!(fred::util::redis_keyslot(key.as_bytes()), slot, "{key}");
                }
                assert_eq!(topic_of_channel(&keys.channel(&partition, &topic)), topic_name(&topic));
                assert_eq!(topic_named(&topic_name(&topic)), Some(topic));
            }
        }
    }

    #[test]
    fn a_prefix_cannot_move_the_hash_tag() {
        assert!(Keys::new("a{b}").is_none());
        assert!(Keys::new(&"x".repeat(65)).is_none());
        assert!(Keys::new("").is_some());
    }
}
