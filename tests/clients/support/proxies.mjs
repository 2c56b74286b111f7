// Balancers as operators run them, from the fragments in deploy/balancers: only names and ports are put in.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Process, repository } from "./process.mjs";
import { freePort, until } from "./waiting.mjs";

/// Kinds of balancers, each started in front of gateways.
export const proxies = { haproxy, nginx };

function haproxy(directory, port, nodes) {
  const config = path.join(directory, "haproxy.cfg");
  writeFileSync(config, withNodes("haproxy.cfg", nodes).replace("bind :80", `bind 127.0.0.1:${port}`));
  return new Process("haproxy", "haproxy", ["-db", "-f", config]);
}

function nginx(directory, port, nodes) {
  const fragment = path.join(directory, "fanfare.conf");
  writeFileSync(fragment, withNodes("nginx.conf", nodes).replace("listen 80;", `listen 127.0.0.1:${port};`));
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${directory}/${name};`);
  const config = path.join(directory, "nginx.conf");
  writeFileSync(config, [
    "daemon off; worker_processes 1; error_log stderr;", `pid ${directory}/nginx.pid;`,
    "events { worker_connections 4096; }", `http { access_log off; ${scratch.join(" ")} include ${fragment}; }`,
  ].join("\n"));
  return new Process("nginx", "nginx", ["-p", directory, "-e", "stderr", "-c", config]);
}

/// The fragment with node-1, node-2 … as the gateways given.
function withNodes(file, nodes) {
  const text = readFileSync(path.join(repository, "deploy/balancers", file), "utf8");
  return nodes.reduce((text, node, index) => {
    const [port, admin] = [node.url, node.adminUrl].map((url) => new URL(url).port);
    const name = new RegExp(`node-${index + 1}:3001( port 9090)?`, "g");
    return text.replace(name, (_, check) => `127.0.0.1:${port}${check ? ` port ${admin}` : ""}`);
  }, text);
}

export class Proxy {
  static async start(kind, nodes) {
    const port = await freePort();
    const proxy = new Proxy();
    proxy.url = `http://127.0.0.1:${port}`;
    proxy.directory = mkdtempSync(path.join(tmpdir(), `fanfare-${kind}-`));
    proxy.process = proxies[kind](proxy.directory, port, nodes);
    await until(`${kind} to serve`, async () => {
      proxy.process.assertRunning();
      return (await fetch(`${proxy.url}/socket.io/?EIO=4&transport=polling`)).ok;
    });
    return proxy;
  }

  async stop() {
    await this.process.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
