
"use strict";
// As much of a Socket.IO 5 client over WebSocket as this page needs: one namespace, events, acks, binary values received.
// Applications use socket.io-client.
class Socket {
  constructor(path, namespace, auth, notify) {
    Object.assign(this, { path, namespace, auth, notify, acks: new Map(), nextAck: 0, tries: 0, wanted: true });
    this.prefix = namespace === "/" ? "" : namespace + ",";
    this.open();
  }

  open() {
    this.notify("state", "opening", "connecting …");
    const url = new URL(this.path + "?EIO=4&transport=websocket", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const link = (this.link = new WebSocket(url));
    link.binaryType = "arraybuffer";
    link.onmessage = ({ data }) => {
      if (link !== this.link) return;
      if (typeof data === "string") this.packet(data);
      else this.attachment(data);
    };
    link.onclose = () => link === this.link && this.lost();
  }

  packet(text) {
    this.watch();
    const body = text.slice(1);
    if (text[0] === "0") {
      const { pingInterval, pingTimeout } = JSON.parse(body);
      this.patience = pingInterval + pingTimeout;
      this.watch();
      this.link.send("40" + this.prefix + (this.auth ? JSON.stringify(this.auth) : ""));
    } else if (text[0] === "2") {
      this.link.send("3" + body);
    } else if (text[0] === "4") {
      this.message(body);
    }
  }

  message(text) {
    // type, number of attachments, namespace, ack id, JSON
    const parts = /^(\d)(?:(\d+)-)?(?:(\/[^,]*),)?(\d+)?([^]*)$/.exec(text);
    if (!parts || (parts[3] ?? "/") !== this.namespace) return;
    const [, type, count = "0", , ack, json] = parts;
    const packet = { type: Number(type), ack, value: json ? JSON.parse(json) : undefined };
    if (packet.type < 5) return this.take(packet);
    packet.type -= 3;
    packet.left = Number(count);
    this.partial = packet;
    if (packet.left === 0) this.take(packet);
  }

  attachment(bytes) {
    const packet = this.partial;
    if (!packet || packet.left === 0) return;
    (packet.bytes ??= []).push(bytes);
    packet.left -= 1;
    if (packet.left > 0) return;
    const fill = (value) => {
      if (Array.isArray(value)) return value.map(fill);
      if (value === null || typeof value !== "object") return value;
      if (value._placeholder === true) return `<${packet.bytes[value.num]?.byteLength ?? "?"} bytes>`;
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)]));
    };
    packet.value = fill(packet.value);
    this.take(packet);
  }

  take({ type, ack, value }) {
    if (type === 0) {
      this.tries = 0;
      this.joined = true;
      // Where sessions can be resumed, events end with their position.
      this.positions = "pid" in value;
      this.notify("state", "open", "connected as " + value.sid);
    } else if (type === 1) {
      this.joined = false;
      this.close("disconnected by the gateway");
    } else if (type === 2) {
      const [event, ...args] = value;
      const position = this.positions && /^\w{1,32}\.\d+-\d+$/.test(args.at(-1)) ? args.pop() : undefined;
      this.notify("event", event, args, position);
    } else if (type === 3) {
      this.acks.get(Number(ack))?.(...value);
      this.acks.delete(Number(ack));
    } else if (type === 4) {
      this.close("refused: " + value.message + (value.data?.code ? ` (${value.data.code})` : ""), "failed");
    }
  }

  // Resolves with the ack.
  emit(event, ...args) {
    if (this.link?.readyState !== WebSocket.OPEN) return Promise.reject(new Error("not connected"));
    const ack = this.nextAck++;
    this.link.send("42" + this.prefix + ack + JSON.stringify([event, ...args]));
    return new Promise((resolve, reject) => {
      this.acks.set(ack, resolve);
      setTimeout(() => this.acks.delete(ack) && reject(new Error("no answer")), 5000);
    });
  }

  watch() {
    clearTimeout(this.timer);
    if (this.patience) this.timer = setTimeout(() => this.lost(), this.patience);
  }

  lost() {
    clearTimeout(this.timer);
    const link = this.link;
    this.link = undefined;
    this.partial = undefined;
    this.joined = false;
    link?.close();
    if (!this.wanted) return;
    const wait = Math.min(5000, 500 * 2 ** this.tries++) * (0.5 + Math.random() / 2);
    this.notify("state", "opening", "connection lost; trying again");
    this.timer = setTimeout(() => this.open(), wait);
  }

  close(reason, state = "closed") {
    this.wanted = false;
    if (this.joined && this.link?.readyState === WebSocket.OPEN) this.link.send("41" + this.prefix);
    this.lost();
    this.notify("state", state, reason);
  }
}
