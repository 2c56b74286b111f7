
{
  const by = (id) => document.getElementById(id);
  const path = document.querySelector("meta[name=engine-path]").content;
  const rooms = new Set();
  const LINES = 500;
  let socket;

  // `place` is where in the log something stands; it is shown below the detail.
  const show = (kind, title, detail, place) => {
    const now = new Date();
    const line = document.createElement("li");
    const time = document.createElement("time");
    const text = document.createElement("div");
    const name = document.createElement("b");
    line.className = kind;
    time.dateTime = now.toISOString();
    time.textContent = now.toLocaleTimeString([], { hour12: false }) + "." + String(now.getMilliseconds()).padStart(3, "0");
    name.textContent = title;
    text.append(name);
    for (const [content, role] of [[detail, ""], [place, "place"]]) {
      if (!content) continue;
      const code = document.createElement("code");
      code.className = role;
      code.textContent = content;
      text.append(code);
    }
    line.append(time, text);
    by("log").prepend(line);
    if (by("log").children.length > LINES) by("log").lastChild.remove();
  };

  const listRooms = () => by("rooms").replaceChildren(...[...rooms].map((room) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = room + " ×";
    button.setAttribute("aria-label", "Leave room " + room);
    button.onclick = () => change("leave", room);
    item.append(button);
    return item;
  }));

  const change = async (verb, room) => {
    try {
      const answer = await socket.emit(verb, { room });
      if (!answer?.ok) return show("fault", `${verb} ${room}: ${answer?.error ?? "refused"}`, answer?.message);
      if (verb === "join") rooms.add(room);
      else rooms.delete(room);
      listRooms();
      show("note", verb === "join" ? "joined " + room : "left " + room);
    } catch (error) {
      show("fault", `${verb} ${room}: ${error.message}`);
    }
  };

  const notify = (kind, ...parts) => {
    if (kind === "event") {
      const [event, args, position] = parts;
      const detail = args.map((arg) => JSON.stringify(arg, null, 1)?.replace(/\n\s*/g, " ")).join(", ");
      return show("event", event, detail, position && "at " + position);
    }
    const [state, text] = parts;
    by("status").dataset.state = state;
    by("status").textContent = text;
    if (state === "failed") show("fault", text);
    if (state !== "open") return;
    // A new connection is a new socket: it is in no room yet.
    const again = [...rooms];
    rooms.clear();
    listRooms();
    again.forEach((room) => change("join", room));
  };

  const connect = () => {
    if (socket?.wanted) socket.close("");
    const token = by("token").value;
    socket = new Socket(path, by("namespace").value, token && { token }, notify);
  };

  const publication = () => {
    const [room, data] = [by("to").value, by("data").value.trim()];
    return `{${[
      by("namespace").value !== "/" && `"namespace":${JSON.stringify(by("namespace").value)}`,
      room && `"room":${JSON.stringify(room)}`,
      `"event":${JSON.stringify(by("event").value)}`,
      data && `"data":${data}`,
    ].filter(Boolean).join(",")}}`;
  };

  const describe = () => {
    const quoted = publication().replaceAll("'", "'\\''");
    by("curl").textContent = `curl ${location.origin}/api/v1/publish -d '${quoted}'`;
  };

  const publish = async () => {
    try {
      const headers = { "content-type": "application/json" };
      const reply = await fetch("/api/v1/publish", { method: "POST", headers, body: publication() });
      const answer = await reply.json();
      if (reply.ok) show("note", "published", "", answer.id ? "as " + answer.id : "without a place in the log");
      else show("fault", `publish: ${answer.error}`, [answer.path, answer.message].filter(Boolean).join(": "));
    } catch (error) {
      show("fault", "publish: " + error.message);
    }
  };

  const on = (form, act) => (by(form).onsubmit = (event) => {
    event.preventDefault();
    act();
  });
  on("connect-form", () => {
    rooms.clear();
    listRooms();
    connect();
  });
  on("room-form", () => socket && change("join", by("room").value));
  on("publish-form", publish);
  by("disconnect").onclick = () => socket?.close("not connected");
  by("clear").onclick = () => by("log").replaceChildren();
  by("publish-form").oninput = by("namespace").oninput = describe;
  describe();
  connect();
}
