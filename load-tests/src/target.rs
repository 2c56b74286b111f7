//! What is measured: the gateway, the floor and the peers, each started as its makers recommend.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::crowd::Speech;
use crate::process::{self, LOAD_CORE, SERVER_CORE, Server};
use crate::publish::Way;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Target {
    /// Writes prebuilt frames, all that wait for a socket in one write.
    Floor,
    /// The same, each frame in a write of its own.
    FloorOneFrame,
    /// The floor behind Redis.
    RelayFloor,
    /// The gateway on Redis; its publish function is called directly.
    Fanfare,
    /// The gateway alone; a client publishes.
    FanfareMemory,
    /// The gateway on Redis; the emitter's messages, put in order by the leader.
    FanfareEmitter,
    Node,
    Socketioxide,
    Nchan,
    Nats,
}

/// Where the parts of the peers are.
#[derive(Debug, Clone)]
pub struct Places {
    pub gateway: PathBuf,
    pub peers: PathBuf,
    pub socketioxide: PathBuf,
    pub nats: PathBuf,
    pub nchan_module: PathBuf,
    pub folder: PathBuf,
}

/// A target that runs.
pub struct Running {
    pub server: Server,
    pub address: SocketAddr,
    /// Ends with the rest.
    _redis: Option<Server>,
    /// Where publishers connect.
    pub publish_at: SocketAddr,
    pub way: Way,
}

impl Target {
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::FloorOneFrame => "floor-one-frame",
            Self::RelayFloor => "relay-floor",
            Self::Fanfare => "fanfare",
            Self::FanfareMemory => "fanfare-memory",
            Self::FanfareEmitter => "fanfare-emitter",
            Self::Node => "node",
            Self::Socketioxide => "socketioxide",
            Self::Nchan => "nchan",
            Self::Nats => "nats",
        }
    }

    /// What is missing to run it, for the report.
    pub fn missing(self, places: &Places) -> Option<String> {
        let part = match self {
            Self::Floor | Self::FloorOneFrame | Self::RelayFloor => return None,
            Self::Fanfare | Self::FanfareMemory | Self::FanfareEmitter => places.gateway.clone(),
            Self::Node => places.peers.join("node/node_modules/socket.io/package.json"),
            Self::Socketioxide => places.socketioxide.clone(),
            Self::Nchan => places.nchan_module.clone(),
            Self::Nats => places.nats.clone(),
        };
        (!part.exists()).then(|| format!("{} is not there", part.display()))
    }

    pub fn speech(self, join: bool) -> Speech {
        match self {
            Self::Floor | Self::FloorOneFrame | Self::RelayFloor => Speech::Raw { prefix: "/" },
            Self::Nchan => Speech::Raw { prefix: "/sub/" },
            Self::Nats => Speech::Nats,
            Self::Fanfare | Self::FanfareMemory | Self::FanfareEmitter | Self::Node | Self::Socketioxide => {
                Speech::SocketIo { auth: Vec::new(), join }
            }
        }
    }

    fn way(self) -> Way {
        match self {
            Self::Floor | Self::FloorOneFrame => Way::Floor,
            Self::RelayFloor => Way::Announcement,
            Self::Fanfare => Way::Function,
            Self::FanfareEmitter | Self::Node => Way::Emitter,
            Self::FanfareMemory | Self::Socketioxide => Way::SocketIo,
            Self::Nchan => Way::Http,
            Self::Nats => Way::Nats,
        }
    }

    fn uses_redis(self) -> bool {
        !matches!(self, Self::Floor | Self::FloorOneFrame | Self::FanfareMemory | Self::Nats)
    }

    /// Starts it on the server's core, with a Redis on the other if it uses one.
    pub fn start(self, places: &Places) -> anyhow::Result<Running> {
        let redis = self.uses_redis().then(|| process::redis(&places.folder, LOAD_CORE)).transpose()?;
        let (redis, redis_at) = redis.unzip();
        let (mut server, address, publish_at) = self.start_on(places, redis_at)?;
        server.wait_for(address).with_context(|| self.name())?;
        if self == Self::Nchan {
            // It listens before its connection to Redis stands, and refuses until then.
            std::thread::sleep(Duration::from_secs(1));
        }
        let through_redis = matches!(self.way(), Way::Function | Way::Announcement | Way::Emitter);
        let publish_at = if through_redis { redis_at.unwrap_or(publish_at) } else { publish_at };
        Ok(Running { server, address, _redis: redis, publish_at, way: self.way() })
    }

    fn start_on(self, places: &Places, redis: Option<SocketAddr>) -> anyhow::Result<(Server, SocketAddr, SocketAddr)> {
        let address = process::free_address()?;
        let start = |program: &Path, args: Vec<String>| Server::start(&places.folder, SERVER_CORE, program, args);
        let redis_text = redis.map(|address| address.to_string()).unwrap_or_default();
        let server = match self {
            Self::Floor | Self::FloorOneFrame | Self::RelayFloor => {
                let mut args = vec!["floor".to_owned(), "--listen".to_owned(), address.to_string()];
                if redis.is_some() {
                    args.extend(["--redis".to_owned(), redis_text]);
                }
                if self == Self::FloorOneFrame {
                    args.push("--one-frame".to_owned());
                }
                start(&std::env::current_exe()?, args)?
            }
            Self::Fanfare | Self::FanfareMemory | Self::FanfareEmitter => gateway(places, address, redis, OPEN)?,
            Self::Node => {
                let script = places.peers.join("node/server.mjs");
                let args = [script.to_string_lossy().into_owned(), address.port().to_string(), redis_text];
                start(Path::new("node"), args.to_vec())?
            }
            Self::Socketioxide => start(&places.socketioxide, vec![address.to_string(), redis_text])?,
            Self::Nchan => {
                let text = std::fs::read_to_string(places.peers.join("nchan/nginx.conf"))?;
                let module = places.nchan_module.to_string_lossy();
                let folder = places.folder.to_string_lossy();
                let text = text.replace("{module}", &module).replace("{folder}", &folder);
                let text = text.replace("{listen}", &address.to_string()).replace("{redis}", &redis_text);
                let file = places.folder.join("nginx.conf");
                std::fs::write(&file, text)?;
                start(Path::new("nginx"), vec!["-c".into(), file.to_string_lossy().into(), "-p".into(), folder.into()])?
            }
            Self::Nats => {
                let plain = process::free_address()?;
                let file = places.folder.join("nats.conf");
                let text = format!(
                    "listen: \"{plain}\"\nmax_connections: 65536\nwebsocket {{ listen: \"{address}\", no_tls: true }}\n"
                );
                std::fs::write(&file, text)?;
                let server = start(&places.nats, vec!["-c".into(), file.to_string_lossy().into()])?;
                return Ok((server, address, plain));
            }
        };
        Ok((server, address, address))
    }
}

/// Anyone may join and publish, and every event can be recovered.
pub const OPEN: &str = r#"namespaces:
  "/": { anonymous: true, recovery: true, join: ["*"], publish: ["*"] }
"#;

/// A gateway on the server's core with this configuration.
pub fn gateway(
    places: &Places,
    address: SocketAddr,
    redis: Option<SocketAddr>,
    configuration: &str,
) -> anyhow::Result<Server> {
    let admin = process::free_address()?;
    ensure!(admin != address, "no two free ports");
    let file = places.folder.join(format!("fanfare-{}.yaml", address.port()));
    std::fs::write(&file, format!("log: {{ level: warn }}\n{configuration}"))?;
    let mut args = vec!["--config".to_owned(), file.to_string_lossy().into_owned()];
    args.extend(["--listen".to_owned(), address.to_string(), "--admin".to_owned(), admin.to_string()]);
    if let Some(redis) = redis {
        args.extend(["--redis".to_owned(), format!("redis://{redis}")]);
    }
    Server::start(&places.folder, SERVER_CORE, &places.gateway, args)
}
