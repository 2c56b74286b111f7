//! What the benchmarks perform: the hot path of a delivery as a whole, and its pieces.
//!
//! Kept here: fixed inputs, made before anything is counted. Not here: how it is counted (`instructions.rs`) or timed
//! (`micro.rs`). Invariant: the same program performs the same instructions, but for the seeds of hash maps.

mod codec;
mod node;
mod order;

/// Something that is done again and again with fresh inputs.
pub trait Scene {
    /// Makes the inputs of the next performance.
    fn prepare(&mut self);

    /// Uses them up; says how many deliveries, frames, … that were.
    fn perform(&mut self) -> u64;
}

/// A scene by its name, and what it is counted by.
pub struct Entry {
    pub name: &'static str,
    pub unit: &'static str,
    pub open: fn() -> Box<dyn Scene>,
}

pub const ALL: &[Entry] = &[
    Entry { name: "room-of-1000", unit: "delivery", open: || node::scene(&node::ROOM_OF_1000) },
    Entry { name: "room-of-1000-burst", unit: "delivery", open: || node::scene(&node::BURST) },
    Entry { name: "rooms-of-10", unit: "delivery", open: || node::scene(&node::ROOMS_OF_10) },
    Entry { name: "rooms-of-10-unmetered", unit: "delivery", open: || node::scene(&node::UNMETERED) },
    Entry { name: "unicast", unit: "delivery", open: || node::scene(&node::UNICAST) },
    Entry { name: "lane", unit: "announcement", open: order::lane },
    Entry { name: "envelope-encode", unit: "publication", open: order::envelope_encode },
    Entry { name: "envelope-decode", unit: "publication", open: order::envelope_decode },
    Entry { name: "frames-text", unit: "event", open: || codec::frames(fanfare::hub::Encoding::WebSocket) },
    Entry { name: "frames-msgpack", unit: "event", open: || codec::frames(fanfare::hub::Encoding::MsgpackWebSocket) },
    Entry { name: "packet-text", unit: "packet", open: codec::packet_text },
    Entry { name: "packet-msgpack", unit: "packet", open: codec::packet_msgpack },
    Entry { name: "websocket-read", unit: "frame", open: codec::websocket_read },
];

/// An event of the size that the load tests send.
fn event(number: usize) -> fanfare::event::Event {
    let args = format!(r#"["message",{{"number":{number:08},"body":"{}"}}]"#, "x".repeat(160));
    fanfare::event::Event { args, attachments: smallvec::SmallVec::new() }
}

fn room(number: usize) -> fanfare::ids::Room {
    fanfare::ids::Room::new(&format!("room-{number:05}")).expect("a short name of plain characters is valid")
}
