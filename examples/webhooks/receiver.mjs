// A receiver of webhooks with nothing but Node 18 or later.
//
//   WEBHOOK_SECRET=$(omni-jobs webhooks secret) node examples/webhooks/receiver.mjs [PORT]
//
// Start the service with OMNI_WEBHOOK_ALLOW=127.0.0.1:9000: it sends to public addresses only, unless allowed.
// The package `standardwebhooks` checks the same: new Webhook(secret).verify(body, headers).
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const TOLERANCE_SECONDS = 300;
const LARGEST_BODY_BYTES = 2 ** 20;
const REMEMBERED = 10_000;

/** The message in a genuine, fresh webhook. `body` is a Buffer with the bytes as they came. Throws an Error. */
export function verify(body, headers, secret, nowSeconds = Date.now() / 1000) {
  const id = headers["webhook-id"], at = headers["webhook-timestamp"];
  const signatures = (headers["webhook-signature"] ?? "").split(" ");
  if (!id || !/^\d+$/.test(at ?? "")) throw new Error("a header is missing");
  if (Math.abs(nowSeconds - Number(at)) > TOLERANCE_SECONDS) throw new Error("it is too old or too new");
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const digest = createHmac("sha256", key).update(`${id}.${at}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  // After a change of secret there are two signatures for a day.
  const matches = signatures.some((one) => {
    const given = Buffer.from(one);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!matches) throw new Error("no signature matches the secret");
  return JSON.parse(body.toString("utf8"));
}

/** Says whether an id is new. An event may come twice, under one id; a real back end keeps the ids in its database. */
export function remembering(count = REMEMBERED) {
  const seen = new Set();
  return (id) => {
    if (seen.has(id)) return false;
    seen.add(id);
    if (seen.size > count) seen.delete(seen.values().next().value);
    return true;
  };
}

/** A server that tells `told` of each genuine message once. */
export function receiver(secret, told) {
  const isNew = remembering();
  return createServer(async (request, response) => {
    let message;
    try {
      message = verify(await bodyOf(request), request.headers, secret);
    } catch (error) {
      console.error(`refused: ${error.message}`);
      response.writeHead(401, { connection: "close" }).end();
      return;
    }
    // Answer first and work later: an answer that takes too long counts as none, and the message comes again.
    response.writeHead(204).end();
    if (isNew(request.headers["webhook-id"])) told(message);
  });
}

async function bodyOf(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_BODY_BYTES) throw new Error("it is too large");
  }
  return Buffer.concat(chunks);
}

function print({ type, data }) {
  const job = data.job;
  console.log(data.job_id ?? "-", type, data.sequence ?? 0, job?.artifacts?.[0]?.url ?? job?.error?.message ?? "");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const secret = process.env.WEBHOOK_SECRET;
  if (!secret) {
    console.error("Set WEBHOOK_SECRET.");
    process.exit(2);
  }
  const server = receiver(secret, print).listen(Number(process.argv[2] ?? 9000), "127.0.0.1", () => {
    console.error(`listening on http://127.0.0.1:${server.address().port}/`);
  });
}
