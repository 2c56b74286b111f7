//! Packet → text.

use super::PacketType;
use crate::protocol::json::push_string;

/// Any packet. `data` is JSON text and taken as it is; `attachments` is written for binary kinds only.
pub fn encode(kind: PacketType, namespace: &str, id: Option<u64>, data: Option<&str>, attachments: usize) -> String {
    let mut out = String::new();
    append(&mut out, kind, namespace, id, data, attachments);
    out
}

/// As [`encode`], behind what `out` holds already.
pub fn append(
    out: &mut String,
    kind: PacketType,
    namespace: &str,
    id: Option<u64>,
    data: Option<&str>,
    attachments: usize,
) {
    let data = data.unwrap_or_default();
    out.reserve(HEADER_BYTES + namespace.len() + data.len());
    push_header(out, kind, namespace, id, attachments);
    out.push_str(data);
}

/// An event. `args_json` is the array, name first, with a placeholder for each attachment; `offset` becomes its last item.
pub fn encode_event(
    namespace: &str,
    id: Option<u64>,
    args_json: &str,
    attachments: usize,
    offset: Option<&str>,
) -> String {
    let mut out = String::new();
    append_event(&mut out, namespace, id, args_json, attachments, offset);
    out
}

/// As [`encode_event`], behind what `out` holds already.
pub fn append_event(
    out: &mut String,
    namespace: &str,
    id: Option<u64>,
    args_json: &str,
    attachments: usize,
    offset: Option<&str>,
) {
    let kind = if attachments > 0 { PacketType::BinaryEvent } else { PacketType::Event };
    out.reserve(HEADER_BYTES + namespace.len() + args_json.len() + offset.map_or(0, |offset| offset.len() + 4));
    push_header(out, kind, namespace, id, attachments);
    match offset {
        Some(offset) => push_with_offset(out, args_json, offset),
        None => out.push_str(args_json),
    }
}

/// The answer to an event that came with `id`.
pub fn encode_ack(namespace: &str, id: u64, args_json: &str, attachments: usize) -> String {
    let kind = if attachments > 0 { PacketType::BinaryAck } else { PacketType::Ack };
    encode(kind, namespace, Some(id), Some(args_json), attachments)
}

/// The answer to a CONNECT that is admitted. `pid` only where sessions can be resumed.
pub fn encode_connect(namespace: &str, sid: &str, pid: Option<&str>) -> String {
    let mut data = String::from(r#"{"sid":"#);
    push_string(&mut data, sid);
    if let Some(pid) = pid {
        data.push_str(r#","pid":"#);
        push_string(&mut data, pid);
    }
    data.push('}');
    encode(PacketType::Connect, namespace, None, Some(&data), 0)
}

/// The answer to a CONNECT that is refused; `data_json` is what applications find as `error.data`.
pub fn encode_connect_error(namespace: &str, message: &str, data_json: Option<&str>) -> String {
    let mut data = String::from(r#"{"message":"#);
    push_string(&mut data, message);
    if let Some(more) = data_json {
        data.push_str(r#","data":"#);
        data.push_str(more);
    }
    data.push('}');
    encode(PacketType::ConnectError, namespace, None, Some(&data), 0)
}

/// A client that gets this does not come back by itself.
pub fn encode_disconnect(namespace: &str) -> String {
    encode(PacketType::Disconnect, namespace, None, None, 0)
}

/// Appends the array `args_json` with one more string at its end.
pub(super) fn push_with_offset(out: &mut String, args_json: &str, offset: &str) {
    let trimmed = args_json.trim_end();
    let open = trimmed.strip_suffix(']').unwrap_or(trimmed).trim_end();
    out.push_str(open);
    if open.trim_start() != "[" {
        out.push(',');
    }
    push_string(out, offset);
    out.push(']');
}

fn push_header(out: &mut String, kind: PacketType, namespace: &str, id: Option<u64>, attachments: usize) {
    out.push(char::from(b'0' + kind.digit()));
    if kind.is_binary() {
        out.push_str(&attachments.to_string());
        out.push('-');
    }
    if namespace != "/" {
        out.push_str(namespace);
        out.push(',');
    }
    if let Some(id) = id {
        out.push_str(&id.to_string());
    }
}

/// Room for the digit, a number of attachments, the comma and an id, so that the text is allocated once.
const HEADER_BYTES: usize = 26;
