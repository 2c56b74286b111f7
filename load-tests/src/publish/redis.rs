//! Commands of Redis as bytes, and a blocking connection for the few that are asked one by one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::msgpack;

/// One command in RESP.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The publish function as a node calls it with default settings; `src/redis/publish.lua` says what each word is.
pub fn function_call(room: &str, payload: &str) -> Vec<u8> {
    let topic = topic(room);
    let [head, fence, inbox] = ["head", "fence", "inbox"].map(key);
    let (stream, state) = (key(&format!("stream:{topic}")), key(&format!("topic:{topic}")));
    let (envelope, channel) = (msgpack::envelope(room, payload), channel(room));
    let keys = [&head, &fence, &fence, &inbox, &stream, &state];
    let mut words: Vec<&[u8]> = vec![b"FCALL", b"fanfare_1_publish", b"6"];
    words.extend(keys.iter().map(|key| key.as_bytes()));
    words.push(&envelope);
    words.extend_from_slice(&[b"PUBLISH", b"load", b"1000", b"1048576", b"600000", b"", b"", b"600000", b"", b""]);
    words.extend_from_slice(&[topic.as_bytes(), channel.as_bytes()]);
    command(&words)
}

/// What the function announces, as a plain PUBLISH.
pub fn announcement(room: &str, payload: &str) -> Vec<u8> {
    let topic = topic(room);
    let mut message =
        format!("F1 0123456789ab 1795252042133-1125899906842624 {topic}=1795252042133-1125899906842623\n").into_bytes();
    message.extend_from_slice(&msgpack::envelope(room, payload));
    command(&[b"PUBLISH", channel(room).as_bytes(), &message])
}

/// The channel on which the gateway announces what happens in a room of `/`.
pub fn channel(room: &str) -> String {
    key(&format!("channel:{}", topic(room)))
}

fn topic(room: &str) -> String {
    format!("r{}", URL_SAFE_NO_PAD.encode(room))
}

fn key(name: &str) -> String {
    format!("fanfare:{{main/}}:{name}")
}

/// What a broker's script does at the least to append a message to a log and announce it: a counter, a trimmed stream that
/// expires, a message on the channel.
pub const SCRIPT_OF_COMPARISON: &str = "\
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch then
  epoch = ARGV[4]
  redis.call('HSET', KEYS[1], 'e', epoch)
end
local top = redis.call('HINCRBY', KEYS[1], 's', 1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[2], tostring(top) .. '-1', 'd', ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', KEYS[3], top .. ':' .. epoch .. ':' .. ARGV[1])
return { top, epoch }";

pub fn script_call(digest: &str, room: &str, payload: &str) -> Vec<u8> {
    let (meta, stream, channel) = (format!("{{c}}:m:{room}"), format!("{{c}}:s:{room}"), format!("{{c}}:c:{room}"));
    let envelope = msgpack::envelope(room, payload);
    command(&[
        b"EVALSHA",
        digest.as_bytes(),
        b"3",
        meta.as_bytes(),
        stream.as_bytes(),
        channel.as_bytes(),
        &envelope,
        b"1000",
        b"600",
        b"epoch",
    ])
}

/// A connection that asks and waits.
pub struct Resp(BufReader<TcpStream>);

impl Resp {
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The answer as text; of lists only their length.
    pub fn ask(&mut self, words: &[&[u8]]) -> anyhow::Result<String> {
        self.0.get_mut().write_all(&command(words))?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.trim_end();
        match line.split_at_checked(1).context("Redis closed the connection")? {
            ("-", error) => bail!("Redis said {error}"),
            ("$", length) => {
                let mut bytes = vec![0; length.parse::<usize>().context("Redis has no such value")? + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            (_, rest) => Ok(rest.to_owned()),
        }
    }
}
