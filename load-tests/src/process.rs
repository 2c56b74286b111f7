//! Server processes: each pinned to a core, each ended with its handle.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::clock::{SECOND_NS, now_ns};

/// Where the server under test runs; everything else takes the other core.
pub const SERVER_CORE: usize = 0;
pub const LOAD_CORE: usize = 1;

pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `program` on `core`. What it prints goes to a file in `folder`.
    pub fn start<A: AsRef<OsStr>>(
        folder: &Path,
        core: usize,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Self> {
        let name = Path::new(program.as_ref()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}-{}.log", now_ns()));
        let output = File::create(&log)?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(core.to_string()).arg(program.as_ref()).args(args);
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until somebody listens at `address`.
    pub fn wait_for(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let deadline_ns = now_ns() + 20 * SECOND_NS;
        while now_ns() < deadline_ns {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}: {}", self.tail());
            }
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("nobody listens at {address}: {}", self.tail())
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Children first: without their parent they would go on.
        for pid in crate::machine::family(self.pid()).into_iter().skip(1) {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Redis of our own that writes nothing to disk.
pub fn redis(folder: &Path, core: usize) -> anyhow::Result<(Server, SocketAddr)> {
    let address = free_address()?;
    let port = address.port().to_string();
    let folder_text = folder.to_string_lossy().into_owned();
    let args = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &folder_text];
    let mut server = Server::start(folder, core, "redis-server", args)?;
    server.wait_for(address)?;
    Ok((server, address))
}

/// A port of the loopback interface that was free a moment ago.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A folder for logs and configuration that goes with its handle.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("fanfare-load-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
