//! From the configuration to the options of the Redis room.

use crate::config;
use crate::ids::NodeId;
use crate::redis::Options;

/// `None` without a URL: then there is no Redis to speak to.
pub(crate) fn redis_options(settings: &config::Redis, node: NodeId) -> Option<Options> {
    let url = settings.url.as_ref()?;
    Some(Options {
        username: settings.username.clone(),
        password: settings.password.as_ref().map(|password| password.expose().to_owned()),
        ca_file: settings.ca_file.clone(),
        key_prefix: settings.key_prefix.clone(),
        ..Options::new(url.expose(), node)
    })
}
