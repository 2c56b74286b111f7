//! What the command line does to Redis as any backend would: no node, no publish function.

use fred::error::Error;
use fred::interfaces::ClientLike as _;
use fred::types::Value;
use fred::util::redis_keyslot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{COMMAND_TIMEOUT, Connector, late, unavailable};
use super::keys::Keys;
use super::library::{command, options};
use super::options::{ConnectError, Options};
use crate::backplane::Unavailable;
use crate::event::Partition;

#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Adds an entry to the partition's inbox on a connection of its own; gives its stream id.
///
/// # Errors
/// If Redis cannot be reached or refuses. After a timeout the entry may have been added all the same.
pub async fn append_to_inbox(
    settings: &Options,
    partition: &Partition,
    fields: &[(&str, &str)],
) -> Result<String, OutsideError> {
    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    let appended = append(settings, partition, fields, &tracker, &stop).await;
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    appended
}

async fn append(
    settings: &Options,
    partition: &Partition,
    fields: &[(&str, &str)],
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<String, OutsideError> {
    let key = Keys::new(&settings.key_prefix).ok_or(ConnectError::KeyPrefix)?.inbox(partition);
    let open = Connector::new(settings, tracker.clone(), stop.clone())?;
    let client = tokio::time::timeout(CONNECT_DEADLINE, open.open(32)).await.map_err(|_| late(CONNECT_DEADLINE))??;
    let client = client.with_options(&options(COMMAND_TIMEOUT));
    let mut args = vec![key.as_str(), "*"];
    args.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
    let id: Result<Value, Error> = client.custom(command("XADD", redis_keyslot(key.as_bytes())), args).await;
    let id = id.map_err(|error| unavailable(&error, COMMAND_TIMEOUT))?;
    Ok(id.into_string().unwrap_or_default())
}

const CONNECT_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
