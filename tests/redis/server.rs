//! A redis-server of one's own: loopback, a free port, nothing on disk, gone when dropped.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Server {
    child: Child,
    file: Option<PathBuf>,
    pub port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    program: PathBuf,
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Self {
        Self::run("redis-server".into(), arguments)
    }

    pub fn run(program: PathBuf, arguments: &[&str]) -> Self {
        Self::configured(program, None, arguments)
    }

    /// With a configuration file, which comes first among the arguments and belongs to the server from now on.
    pub fn configured(program: PathBuf, file: Option<&Path>, arguments: &[&str]) -> Self {
        let port = free_port();
        let directory = std::env::temp_dir().join(format!("fanfare-redis-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let file = file.map(|file| {
            let own = directory.join("server.conf");
            std::fs::rename(file, &own).unwrap();
            own
        });
        let child = spawn(&program, file.as_deref(), port, &directory, &arguments);
        let server = Self { child, file, port, directory, arguments, program };
        server.await_ready();
        server
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends the process; [`Self::restart`] starts the next.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Another process on the same port, with nothing of the old one's data.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.program, self.file.as_deref(), self.port, &self.directory, &self.arguments);
        self.await_ready();
    }

    /// SIGSTOP or SIGCONT, by the kill program: the tests have no unsafe code either.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// One command on a connection of its own; errors come back as text starting with `-`.
    pub fn ask(&self, words: &[&str]) -> Answer {
        ask(self.port, words)
    }

    pub fn is_there(&self) -> bool {
        TcpStream::connect_timeout(&address(self.port), Duration::from_millis(200)).is_ok()
    }

    fn await_ready(&self) {
        until("redis-server answers", || {
            self.is_there() && matches!(self.ask(&["PING"]).text(), "PONG" | "-NOAUTH Authentication required.")
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Nothing,
    Number(i64),
    Text(String),
    List(Vec<Answer>),
}

impl Answer {
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }

    pub fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("not a number: {other:?}"),
        }
    }

    pub fn list(&self) -> &[Answer] {
        match self {
            Self::List(list) => list,
            other => panic!("not a list: {other:?}"),
        }
    }
}

pub fn ask(port: u16, words: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(address(port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        write!(request, "${}\r\n{word}\r\n", word.len()).unwrap();
    }
    stream.write_all(request.as_bytes()).unwrap();
    answer(&mut std::io::BufReader::new(stream))
}

pub fn free_port() -> u16 {
    // Cluster nodes also listen 10,000 above.
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// Waits for a condition, at most twenty seconds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn spawn(program: &Path, file: Option<&Path>, port: u16, directory: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new(program);
    // A sentinel does not know what `save` is.
    let memory_only: &[&str] = if file.is_some() { &[] } else { &["--save", ""] };
    command
        .args(file)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(directory)
        .args(memory_only)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server can be started (apt-get install redis-server)")
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn answer(stream: &mut impl std::io::BufRead) -> Answer {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let (kind, rest) = line.trim_end().split_at(1);
    match kind {
        "+" => Answer::Text(rest.into()),
        "-" => Answer::Text(format!("-{rest}")),
        ":" => Answer::Number(rest.parse().unwrap()),
        "$" | "*" if rest == "-1" => Answer::Nothing,
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
            stream.read_exact(&mut bytes).unwrap();
            bytes.truncate(bytes.len() - 2);
            Answer::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        "*" => Answer::List((0..rest.parse::<usize>().unwrap()).map(|_| answer(stream)).collect()),
        other => panic!("unknown reply {other}{rest}"),
    }
}
