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
    let [head, written] = ["head", "written"].map(key);
    let (stream, state) = (key(&format!("stream:{topic}")), key(&format!("topic:{topic}")));
    let (envelope, channel) = (msgpack::envelope(room, payload), channel(room));
    let mut words: Vec<&[u8]> = vec![b"FCALL", b"fanfare_1_publish", b"4"];
    words.extend([&head, &written, &stream, &state].map(String::as_bytes));
    words.extend_from_slice(&[
        &envelope,
        b"PUBLISH 1000 1048576 600000 load",
        b"",
        topic.as_bytes(),
        channel.as_bytes(),
    ]);
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

/// What a broker's script does that promises about the same: it can be sent again with the same key (not used here, as with
/// the function), numbers what it stores by time, so that a reader can ask for what came since a moment, names the id before,
/// so that a gap shows, cuts the log to a length, lets log and number expire, announces.
///
/// What the function does beyond that is not in it: one order over all rooms, the lineage of the Redis process, a limit in
/// bytes, the list of rooms written lately. [`COUNTING_SCRIPT`] does less.
pub const SCRIPT_OF_COMPARISON: &str = "\
local log, head, once = KEYS[1], KEYS[2], KEYS[3]
local envelope, announce, lifetime = ARGV[1], ARGV[7], ARGV[8]
if lifetime ~= '' then
  local known = redis.call('HMGET', once, 'e', 'l')
  if known[1] then return { known[2], known[1], '1' } end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', head, 'e', 'm', 's')
local epoch, ms, seq = state[1], tonumber(state[2] or 0), tonumber(state[3] or 0)
if not epoch then
  epoch = ARGV[6]
  redis.call('HSET', head, 'e', epoch)
end
local before = ms .. '-' .. seq
if now > ms then ms, seq = now, 0 else seq = seq + 1 end
local id = ms .. '-' .. seq
redis.call('HSET', head, 'm', ms, 's', seq)
redis.call('EXPIRE', head, ARGV[5])
redis.call('XADD', log, 'MAXLEN', ARGV[2], id, 'd', envelope)
redis.call('EXPIRE', log, ARGV[3])
redis.call(announce, ARGV[4], id .. ':' .. before .. ':' .. epoch .. ':' .. envelope)
if lifetime ~= '' then
  redis.call('HSET', once, 'e', epoch, 'l', id)
  redis.call('EXPIRE', once, lifetime)
end
return { id, epoch, '0' }";

/// The same with a number of its own for each room instead of the time: the least that a broker can do.
pub const COUNTING_SCRIPT: &str = "\
local log, head, once = KEYS[1], KEYS[2], KEYS[3]
local envelope, announce, lifetime = ARGV[1], ARGV[7], ARGV[8]
if lifetime ~= '' then
  local known = redis.call('HMGET', once, 'e', 'l')
  if known[1] then return { known[2], known[1], '1' } end
end
local epoch = redis.call('HGET', head, 'e')
if not epoch then
  epoch = ARGV[6]
  redis.call('HSET', head, 'e', epoch)
end
local top = redis.call('HINCRBY', head, 's', 1)
redis.call('EXPIRE', head, ARGV[5])
redis.call('XADD', log, 'MAXLEN', ARGV[2], top, 'd', envelope)
redis.call('EXPIRE', log, ARGV[3])
redis.call(announce, ARGV[4], top .. ':' .. epoch .. ':' .. envelope)
if lifetime ~= '' then
  redis.call('HSET', once, 'e', epoch, 'l', top)
  redis.call('EXPIRE', once, lifetime)
end
return { top, epoch, '0' }";

/// Of either script; `family` keeps the keys of the two apart.
pub fn script_call(digest: &str, family: &str, room: &str, payload: &str) -> Vec<u8> {
    let [log, head, once, channel] = ["log", "head", "once", "channel"].map(|key| format!("{{{family}}}:{key}:{room}"));
    let envelope = msgpack::envelope(room, payload);
    let keys = [&log, &head, &once].map(String::as_bytes);
    let mut words: Vec<&[u8]> = vec![b"EVALSHA", digest.as_bytes(), b"3"];
    words.extend_from_slice(&keys);
    words.extend_from_slice(&[&envelope, b"1000", b"600", channel.as_bytes(), b"86400", b"epoch", b"PUBLISH", b""]);
    command(&words)
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
