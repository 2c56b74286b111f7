// Token issuers as applications have them: a secret or key pairs, and a place where the public keys are found.
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import { within } from "./waiting.mjs";

const KEYS = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
};

/// One key and what is signed with it. Every token ever made is kept in `Key.issued`, so that logs can be searched for it.
export class Key {
  static issued = new Set();

  constructor(algorithm, { secret, kid } = {}) {
    Object.assign(this, { algorithm, secret, kid }, KEYS[algorithm]?.());
  }

  get pem() {
    return this.publicKey.export({ type: "spki", format: "pem" });
  }

  get jwk() {
    return { ...this.publicKey.export({ format: "jwk" }), kid: this.kid, alg: this.algorithm, use: "sig" };
  }

  /// A signed token. Claims that are `undefined` are left out; `header` adds to or replaces what belongs there.
  token(claims, header = {}) {
    const now = nowS();
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const head = { alg: this.algorithm, typ: "JWT", kid: this.kid, ...header };
    const signed = `${part(head)}.${part({ iat: now, exp: now + 60, ...claims })}`;
    const token = `${signed}.${this.#signature(signed).toString("base64url")}`;
    Key.issued.add(token);
    return token;
  }

  #signature(text) {
    if (this.secret) return createHmac("sha256", this.secret).update(text).digest();
    return sign("sha256", Buffer.from(text), { key: this.privateKey, dsaEncoding: "ieee-p1363" });
  }
}

export function nowS() {
  return Math.floor(Date.now() / 1_000);
}

/// Serves one key set and remembers when it was asked for.
export class KeyServer {
  static async start(keys) {
    const server = new KeyServer(keys);
    await new Promise((resolve) => server.server.listen(0, "127.0.0.1", resolve));
    server.url = `http://127.0.0.1:${server.server.address().port}/keys.json`;
    return server;
  }

  constructor(keys) {
    this.keys = keys;
    this.asked = [];
    this.down = false;
    this.server = createServer((request, response) => this.#answer(response));
  }

  /// Keeps answers back until `release()` is called.
  hold() {
    this.held = new Promise((resolve) => (this.release = resolve));
  }

  async #answer(response) {
    this.asked.push(Date.now());
    if (this.held) await within("release of the held key set", this.held).catch(() => {});
    if (this.down) return response.writeHead(503).end();
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
