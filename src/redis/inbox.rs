//! The inbox stream of a partition, read by its leader.
//!
//! Every leader reads as the same consumer, so what a predecessor read and did not settle is simply the own pending list, in
//! order and before anything new. The publish function settles an entry in the same step that stores it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike as _;
use fred::types::Value;
use fred::util::redis_keyslot;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::client::{Connector, late, unavailable};
use super::keys::Keys;
use super::library::{command, options};
use crate::backplane::{InboxEntry, Unavailable};
use crate::event::Partition;

pub(super) struct Inboxes {
    connector: Connector,
    keys: Keys,
    deadline: Duration,
    /// A blocking read holds up everything else on its connection, so each inbox has its own.
    clients: Mutex<HashMap<String, Arc<Own>>>,
}

struct Own {
    client: OnceCell<Client>,
    stop: CancellationToken,
}

impl Inboxes {
    pub(super) fn new(connector: Connector, keys: Keys, deadline: Duration) -> Self {
        Self { connector, keys, deadline, clients: Mutex::default() }
    }

    pub(super) async fn read(&self, partition: &Partition, limit: usize) -> Result<Vec<InboxEntry>, Unavailable> {
        let key = self.keys.inbox(partition);
        let client = self.client(&key).await?;
        let deadline = self.deadline + BLOCK;
        let read = async {
            let (pending, vanished) = entries(read_group(&client, &key, limit, false, deadline).await?);
            for id in vanished {
                settle(&client, &key, &id, deadline).await?;
            }
            if !pending.is_empty() {
                return Ok(pending);
            }
            Ok(entries(read_group(&client, &key, limit, true, deadline).await?).0)
        };
        let read = tokio::time::timeout(deadline, read).await.map_err(|_| late(deadline))?;
        read.map_err(|error: Error| unavailable(&error, deadline))
    }

    pub(super) async fn discard(&self, partition: &Partition, inbox_id: &str) -> Result<(), Unavailable> {
        let key = self.keys.inbox(partition);
        let client = self.client(&key).await?;
        settle(&client, &key, inbox_id, self.deadline).await.map_err(|error| unavailable(&error, self.deadline))
    }

    /// Gives up the connection of a partition that this node no longer leads.
    pub(super) fn close(&self, partition: &Partition) {
        let key = self.keys.inbox(partition);
        let removed = self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        if let Some(own) = removed {
            own.stop.cancel();
        }
    }

    async fn client(&self, key: &str) -> Result<Client, Unavailable> {
        let own = self.own(key);
        let open = own.client.get_or_try_init(|| self.connector.open_until(32, own.stop.clone()));
        let opened = tokio::time::timeout(self.deadline, open).await.map_err(|_| late(self.deadline))?;
        opened.cloned().map_err(|error| Unavailable(error.to_string()))
    }

    fn own(&self, key: &str) -> Arc<Own> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Own { client: OnceCell::new(), stop: self.connector.stop() });
        clients.entry(key.to_owned()).or_insert_with(new).clone()
    }
}

/// Reads as the one consumer; makes the group where there is none, from the beginning, so that what was added before the
/// first leader came is not lost.
async fn read_group(client: &Client, key: &str, limit: usize, new: bool, deadline: Duration) -> Result<Value, Error> {
    let client = client.with_options(&options(deadline));
    let slot = redis_keyslot(key.as_bytes());
    let limit = limit.to_string();
    let block = BLOCK.as_millis().to_string();
    let mut args = vec!["GROUP", GROUP, CONSUMER, "COUNT", &limit];
    if new {
        args.extend(["BLOCK", &block]);
    }
    args.extend(["STREAMS", key, if new { ">" } else { "0" }]);
    match client.custom(command("XREADGROUP", slot), args.clone()).await {
        Err(error) if error.details().starts_with("NOGROUP") => {
            let made: Result<Value, Error> =
                client.custom(command("XGROUP", slot), vec!["CREATE", key, GROUP, "0", "MKSTREAM"]).await;
            if let Err(error) = made
                && !error.details().starts_with("BUSYGROUP")
            {
                return Err(error);
            }
            client.custom(command("XREADGROUP", slot), args).await
        }
        answer => answer,
    }
}

async fn settle(client: &Client, key: &str, id: &str, deadline: Duration) -> Result<(), Error> {
    let client = client.with_options(&options(deadline));
    let slot = redis_keyslot(key.as_bytes());
    let _: Value = client.custom(command("XACK", slot), vec![key, GROUP, id]).await?;
    let _: Value = client.custom(command("XDEL", slot), vec![key, id]).await?;
    Ok(())
}

/// The entries of the one stream asked for, and the ids of those that were deleted while they were pending.
fn entries(answer: Value) -> (Vec<InboxEntry>, Vec<String>) {
    let list = match answer {
        Value::Map(map) => map.inner().into_values().next(),
        Value::Array(mut streams) => streams.pop().and_then(|stream| stream.into_array().pop()),
        _ => None,
    };
    let (mut whole, mut vanished) = (Vec::new(), Vec::new());
    for entry in list.map(Value::into_array).unwrap_or_default() {
        let Ok([id, fields]) = <[Value; 2]>::try_from(entry.into_array()) else { continue };
        let Some(id) = id.into_string() else { continue };
        if fields.is_null() {
            vanished.push(id);
            continue;
        }
        whole.push(InboxEntry { id, fields: pairs(fields) });
    }
    (whole, vanished)
}

fn pairs(fields: Value) -> Vec<(String, Bytes)> {
    let mut words = fields.into_array().into_iter();
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        let name = name.into_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
        if let (Some(name), Some(value)) = (name, value.into_bytes()) {
            pairs.push((name, value));
        }
    }
    pairs
}

/// Also in `publish.lua`.
const GROUP: &str = "fanfare";
const CONSUMER: &str = "leader";
const BLOCK: Duration = Duration::from_secs(1);
