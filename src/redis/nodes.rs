//! The registry of nodes (`nodes.lua`), and how this machine looks from Redis.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike as _;
use fred::types::Value;
use fred::util::redis_keyslot;
use tokio::net::UdpSocket;

use super::client::{Connector, late, unavailable};
use super::keys::Keys;
use super::library::{Call, Function, Library, command, options};
use super::options::Options;
use crate::backplane::{Address, Dead, Incarnation, LEASE_MS, Member, Tenure, Unavailable};
use crate::ids::{NodeId, Tenant};

pub(super) struct Registry {
    client: Client,
    library: Arc<Library>,
    keys: Keys,
    tenant: Tenant,
    node: NodeId,
    deadline: Duration,
    /// Host and port of the first server of the URL.
    server: Option<(String, u16)>,
    /// The last incarnation of this node.
    last: AtomicU64,
}

impl Registry {
    pub(super) fn new(
        options: &Options,
        connector: &Connector,
        client: Client,
        library: Arc<Library>,
        keys: Keys,
        deadline: Duration,
    ) -> Self {
        let (tenant, node, server) = (options.tenant.clone(), options.node, connector.first_server());
        Self { client, library, keys, tenant, node, deadline, server, last: AtomicU64::new(0) }
    }

    pub(super) async fn enter(&self, address: &Address) -> Result<Tenure, Unavailable> {
        let keys = vec![self.lease(self.node), self.key("members"), self.key("last")];
        let last = self.last.load(Ordering::Relaxed).to_string();
        let args = vec![self.own(), LEASE_MS.to_string(), address.to_string(), last];
        let tenure = tenure(self.call(Function::NodeEnter, keys, args).await?)
            .ok_or_else(|| Unavailable("Redis answered the entry of a node with something else".to_owned()))?;
        let Tenure { incarnation, .. } = tenure;
        self.last.store(incarnation.0, Ordering::Relaxed);
        tracing::info!(event = "realtime.node_entered", node = %self.node, %incarnation, %address, "known to the other nodes");
        Ok(tenure)
    }

    pub(super) async fn renew(&self, incarnation: Incarnation) -> Result<Option<Tenure>, Unavailable> {
        let keys = vec![self.lease(self.node), self.key("members")];
        let args = vec![self.own(), LEASE_MS.to_string(), incarnation.to_string()];
        Ok(tenure(self.call(Function::NodeRenew, keys, args).await?))
    }

    pub(super) async fn leave(&self, incarnation: Incarnation) {
        let keys = vec![self.lease(self.node), self.key("members")];
        // If it fails, the lease ends by itself and the sweeper does the rest.
        let _ = self.call(Function::NodeLeave, keys, vec![self.own(), incarnation.to_string()]).await;
    }

    pub(super) async fn find(&self, node: NodeId) -> Result<Option<Member>, Unavailable> {
        let held = self.command("GET", vec![self.lease(node)]).await?;
        Ok(held.as_str().and_then(|held| member(&held)))
    }

    pub(super) async fn dead(&self) -> Result<Vec<Dead>, Unavailable> {
        let keys = vec![self.key("sweeper"), self.key("members")];
        let answer = self.call(Function::NodeDead, keys, vec![self.own(), SWEEP_MS.to_string()]).await?;
        Ok(answer.into_array().iter().filter_map(|member| dead(&member.as_str()?)).collect())
    }

    pub(super) async fn bury(&self, dead: &Dead) -> Result<bool, Unavailable> {
        let member = format!("{} {}", dead.node, dead.incarnation);
        Ok(self.command("ZREM", vec![self.key("members"), member]).await?.as_u64() == Some(1))
    }

    pub(super) async fn share(&self, proposed: &str) -> Result<String, Unavailable> {
        let words = vec![self.key("secret"), proposed.to_owned(), "NX".to_owned(), "GET".to_owned()];
        Ok(self.command("SET", words).await?.into_string().unwrap_or_else(|| proposed.to_owned()))
    }

    /// The address that packets to Redis leave this machine from: what the neighbours of Redis can most likely reach.
    pub(super) async fn local_address(&self) -> Option<IpAddr> {
        let (host, port) = self.server.as_ref()?;
        let looked_up = tokio::time::timeout(self.deadline, tokio::net::lookup_host((host.as_str(), *port))).await;
        for server in looked_up.ok()?.ok()? {
            if let Ok(address) = route_to(server).await {
                return Some(address);
            }
        }
        None
    }

    fn own(&self) -> String {
        self.node.to_string()
    }

    fn key(&self, name: &str) -> String {
        self.keys.nodes(&self.tenant, name)
    }

    fn lease(&self, node: NodeId) -> String {
        self.key(&format!("lease:{node}"))
    }

    async fn call(&self, function: Function, keys: Vec<String>, args: Vec<String>) -> Result<Value, Unavailable> {
        let call = Call { function, keys, args: args.into_iter().map(Value::from).collect() };
        self.library.call(&call, self.deadline).await.map_err(|error| unavailable(&error, self.deadline))
    }

    async fn command(&self, verb: &'static str, words: Vec<String>) -> Result<Value, Unavailable> {
        let slot = redis_keyslot(self.key("").as_bytes());
        let client = self.client.with_options(&options(self.deadline));
        let answer = tokio::time::timeout(self.deadline, client.custom::<Value, _>(command(verb, slot), words)).await;
        answer.map_err(|_| late(self.deadline))?.map_err(|error| unavailable(&error, self.deadline))
    }
}

/// A datagram socket that is connected sends nothing, but knows its own end.
async fn route_to(server: SocketAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket.local_addr()?.ip())
}

fn tenure(answer: Value) -> Option<Tenure> {
    let words: Vec<Value> = answer.is_array().then(|| answer.into_array())?;
    let number = |at: usize| words.get(at)?.as_str()?.parse().ok();
    Some(Tenure { incarnation: Incarnation(number(0)?), now_ms: number(1)? })
}

/// What is no lease of ours is no member: whoever can write to Redis could have written anything.
fn member(held: &str) -> Option<Member> {
    let mut words = held.split(' ');
    let incarnation = Incarnation(words.next()?.parse().ok()?);
    let entered_ms = words.next()?.parse().ok()?;
    let address = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Member { incarnation, entered_ms, address })
}

fn dead(member: &str) -> Option<Dead> {
    let (node, incarnation) = member.split_once(' ')?;
    Some(Dead { node: NodeId::parse(node)?, incarnation: Incarnation(incarnation.parse().ok()?) })
}

/// The one that sweeps does so with every renewal of its lease; another takes over when it has not for so long.
const SWEEP_MS: u64 = LEASE_MS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_lease_with_a_plain_address_is_a_member() {
        let found = member("7 5 10.0.0.7:3001").unwrap();
        assert_eq!((found.incarnation, found.entered_ms, found.address.as_str()), (Incarnation(7), 5, "10.0.0.7:3001"));
        for bad in ["", "7", "7 5", "x 5 a:1", "7 5 a:1 more", "7 5 user@a:1", "7 5 http://a:1", "7 5 a:1/path"] {
            assert_eq!(member(bad), None, "{bad:?}");
        }
    }

    #[tokio::test]
    async fn the_route_to_the_loopback_is_the_loopback() {
        let server = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 6379);
        assert_eq!(route_to(server).await.unwrap(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
}
