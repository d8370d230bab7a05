// Deliveries of webhooks as a table: what was sent where, and what the receiver said.
import { post } from "./api.js";
import { h } from "./dom.js";
import { attempt, button, chip, table, when } from "./parts.js";

// `again` is called after one was sent once more; without it nothing can be.
export function deliveries(label, rows, again) {
  return table(label, ["Event", "Job", "To", "State", "#Tries", "Last answer", "When", ...(again ? [""] : [])], rows.map((one) => [
    one.type, one.job_id ? h("a", { class: "id", href: `#/job/${one.job_id}` }, one.job_id.slice(-12)) : "–",
    h("span", { class: "cut", title: one.url }, one.url), chip(one.state, one.state.replace("_", " ")), one.tries, answer(one), when(one.created_at),
    ...(again ? [button("Replay", () => replay(one, again), { class: "small", "aria-label": `Replay ${one.id}`, "data-focus": `replay ${one.id}` })] : [])]));
}

function answer(one) {
  const last = one.attempts.at(-1);
  const words = last?.status ? String(last.status) : last?.error ?? one.error ?? "–";
  const next = one.next_attempt_at && one.tries > 0 ? `; again at ${new Date(one.next_attempt_at).toLocaleTimeString("en-GB")}` : "";
  return h("span", { class: "cut", title: last?.error ?? one.error }, words + next);
}

async function replay(delivery, again) {
  await attempt(() => post(`v1/webhook_deliveries/${delivery.id}/replay`), "It is sent again.");
  again();
}
