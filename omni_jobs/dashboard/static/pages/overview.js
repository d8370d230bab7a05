// How the pool does: depths, waits, what ended lately, and the switch that lets no new jobs in.
import { get, send } from "../api.js";
import { h, redraw } from "../dom.js";
import { count, seconds, since } from "../format.js";
import { keep } from "../live.js";
import { attempt, bars, button, confirmed, empty, figure, heading, panel, table, trouble, when } from "../parts.js";

const ENDS = ["succeeded", "failed", "canceled", "expired"];

export default function overview(main, { session }) {
  const isOperator = session.scopes.includes("admin");
  const body = h("div");
  main.append(body);
  const live = keep(async (signal) => {
    try {
      const pool = await get("v1/pool", {}, signal);
      redraw(body, draw(pool, isOperator && ((paused) => turn(paused, live))));
    } catch (error) {
      if (error.name !== "AbortError") redraw(body, trouble(error));
    }
  }, { idle: 3000 });
  return live.stop;
}

async function turn(paused, live) {
  const question = "Take no new jobs? Producers are told to come again later; jobs that were taken go on.";
  if (paused && !(await confirmed(question, "Pause intake"))) return;
  await attempt(() => send("PUT", "v1/pool/intake", { body: { paused } }), paused ? "Intake is paused." : "Jobs are taken again.");
  live.soon();
}

function draw(pool, onTurn) {
  const rate = (pool.past.ended.succeeded ?? 0) / (pool.past.seconds / 60);
  const failed = pool.past.ended.failed ?? 0;
  const etas = pool.models.map((one) => one.eta_seconds).filter((one) => one !== undefined);
  return h("div", null,
    heading("Overview", onTurn && !pool.paused_since && button("Pause intake", () => onTurn(true), { "data-focus": "intake" })),
    pool.paused_since && h("div", { class: "banner", role: "status" },
      h("p", null, h("strong", null, "Intake is paused"), " since ", when(pool.paused_since), ". Jobs that were taken go on."),
      onTurn && button("Resume intake", () => onTurn(false), { class: "primary", "data-focus": "intake" })),
    h("dl", { class: "figures" },
      figure("Queued", count(pool.queued), pool.held ? `${count(pool.held)} held for later` : ""),
      figure("Running", count(pool.running), `of ${count(pool.slots)} slots`),
      figure("Oldest wait", seconds(pool.oldest_wait_seconds)),
      figure("New job done in", etas.length ? seconds(Math.min(...etas)) : "–", etas.length ? "" : "not known yet"),
      figure("Done per minute", rate < 10 ? rate.toFixed(1) : count(Math.round(rate)), `over ${seconds(pool.past.seconds)}`),
      figure("Failed", count(failed), `over ${seconds(pool.past.seconds)}`, failed ? "bad" : ""),
      figure("Workers", count(pool.workers), pool.workers ? "" : "nobody runs jobs", pool.workers ? "" : "bad")),
    h("div", { class: "grid" },
      panel("Jobs that ended", Object.keys(pool.past.ended).length
        ? [bars(pool.past.parts, ENDS, summary(pool.past)), h("p", { class: "note" }, summary(pool.past))]
        : empty("Nothing ended lately", `Jobs that end appear here for ${seconds(pool.past.seconds)}.`)),
      panel("Errors by code", errors(pool))),
    panel("Models", pool.models.length ? models(pool.models)
      : empty("No model yet", "A worker publishes its models when it has loaded them.", h("p", null, h("code", null, "omni-jobs up --model shapes")))),
    h("div", { class: "grid" }, panel("Kept jobs", kept(pool.jobs)), panel("Webhooks", hooks(pool))));
}

const summary = (past) => `${ENDS.filter((one) => past.ended[one]).map((one) => `${count(past.ended[one])} ${one}`).join(", ")} in ${seconds(since(past.since))}`;

function errors(pool) {
  const rows = Object.entries(pool.past.errors);
  if (!rows.length) return empty("No errors", "No job failed lately.");
  return table("Errors by code", ["Code", "#Jobs"], rows.map(([code, jobs]) =>
    [h("a", { href: `#/jobs?status=failed&error_code=${encodeURIComponent(code)}` }, h("code", null, code)), count(jobs)]));
}

function models(rows) {
  return table("Models", ["Model", "Live workers", "#Ready", "#Oldest wait", "#New job done in"], rows.map((one) => [
    h("a", { href: `#/playground?model=${encodeURIComponent(one.name)}` }, one.name),
    Object.entries(one.workers).map(([state, number]) => [h("span", { class: `chip ${state}` }, `${number} ${state}`), " "]).flat()
      .concat(Object.keys(one.workers).length ? [] : [h("span", { class: "note" }, "none")]),
    count(one.ready + one.alone), seconds(one.oldest_wait_seconds), seconds(one.eta_seconds)]));
}

function kept(jobs) {
  return table("Kept jobs by status", ["Status", "#Jobs"], Object.entries(jobs).map(([status, number]) =>
    [h("a", { href: `#/jobs?status=${status}` }, status), count(number)]));
}

function hooks(pool) {
  return table("Webhook deliveries", ["Deliveries", "#Number"], [
    ["due", count(pool.deliveries)],
    [h("a", { href: "#/webhooks" }, "given up"), count(pool.dead_deliveries)]]);
}
