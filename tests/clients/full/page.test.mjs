// The development page in a real browser: connect, join, publish, see the event.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, test } from "node:test";
import { chromium } from "playwright-core";
import { Client } from "../support/clients.mjs";
import { running } from "../support/command.mjs";
import { freePort, until } from "../support/waiting.mjs";

const TEST = { timeout: 60_000 };
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/// A folder for pictures of the page, for the eye.
const pictures = process.env.FANFARE_PICTURES;

const [port, adminPort] = [await freePort(), await freePort()];
const url = `http://127.0.0.1:${port}`;
const gateway = running(["--listen", `127.0.0.1:${port}`, "--admin", `127.0.0.1:${adminPort}`]);
await until("the gateway", async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok);
const browser = await chromium.launch({ executablePath: installed(), args: ["--no-sandbox"] });
after(async () => {
  await browser.close();
  await gateway.stop("SIGKILL");
});

for (const colorScheme of ["light", "dark"]) {
  test(`joins, publishes and shows what comes (${colorScheme})`, TEST, () => withPage({ colorScheme }, async (page) => {
    await page.locator("#status[data-state=open]").waitFor();
    await page.getByRole("button", { name: "Join" }).click();
    await page.getByRole("button", { name: "Leave room kitchen" }).waitFor();
    await page.getByLabel(/^Data/).fill('{"text": "hello <b>world</b> & all", "n": 12345678901234567890}');
    await page.getByRole("button", { name: "Publish" }).click();
    const event = page.locator("#log li.event");
    await event.waitFor();
    assert.match(await event.innerText(), /message[^]*"hello <b>world<\/b> & all"[^]*at \S+\.\d+-\d+/);
    await picture(page, `page-${colorScheme}`);
  }));
}

test("hears other clients, and is heard by them", TEST, () => withPage({}, async (page) => {
  const client = await Client.connect(url);
  await client.join("kitchen");
  await page.locator("#status[data-state=open]").waitFor();
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("button", { name: "Leave room kitchen" }).waitFor();
  assert.equal((await client.ask("publish", { room: "kitchen", event: "from-elsewhere", data: { bytes: Buffer.from([1, 2]) } })).ok, true);
  await page.locator("#log li.event", { hasText: "from-elsewhere" }).getByText("<2 bytes>").waitFor();
  await page.getByRole("button", { name: "Publish" }).click();
  assert.deepEqual(await client.take("message"), [[{ text: "hello" }]]);
  client.close();
}));

test("shows what is refused, and a shell line that works", TEST, () => withPage({}, async (page) => {
  await page.locator("#status[data-state=open]").waitFor();
  await page.getByLabel(/^Data/).fill("{no json");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.locator("#log li.fault").waitFor();
  await page.getByLabel(/^Data/).fill("7");
  const body = /-d '(.*)'$/s.exec(await page.locator("#curl").innerText())[1];
  assert.equal((await fetch(`${url}/api/v1/publish`, { method: "POST", body })).status, 200);
  await page.getByLabel("Namespace", { exact: true }).fill("/nowhere");
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.locator("#status[data-state=failed]", { hasText: "Invalid namespace" }).waitFor();
  await picture(page, "page-refused");
}));

test("leaves a room, and fits a phone", TEST, () => withPage({ viewport: { width: 360, height: 740 } }, async (page) => {
  await page.locator("#status[data-state=open]").waitFor();
  await page.getByLabel("Room", { exact: true }).fill(`a-room-with-a-very-long-name-${"x".repeat(60)}`);
  await page.getByRole("button", { name: "Join" }).click();
  const leave = page.getByRole("button", { name: /^Leave room/ });
  await leave.waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await picture(page, "page-phone");
  assert.equal(wide, 0, "nothing sticks out sideways");
  await leave.click();
  await leave.waitFor({ state: "detached" });
}));

/// A new page without the others' history. Whatever the browser complains about is a fault of the page.
async function withPage(options, body) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(url);
  await body(page);
  assert.deepEqual(complaints.filter((text) => !text.includes("status of 4")), []);
  await context.close();
}

async function picture(page, name) {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}

function installed() {
  const path = [process.env.CHROMIUM, ...BROWSERS].find((path) => path && existsSync(path));
  if (!path) throw new Error("no browser; install it: sudo apt-get install -y chromium, or name one in CHROMIUM");
  return path;
}
