// One job: how it looks, how far it is, where its time went, what it was asked and what came of it.
import { ApiError, get, post, send, stream } from "../api.js";
import { asCurl, asPython } from "../call.js";
import { deliveries } from "../deliveries.js";
import { h, replace } from "../dom.js";
import { bytes, clock, count, seconds, since } from "../format.js";
import { media } from "../media.js";
import { attempt, bar, button, chip, confirmed, empty, heading, panel, snippet, table, trouble, when } from "../parts.js";
import { thumb } from "../thumb.js";
import { timeline } from "../timeline.js";

const AGAIN_MS = 3000;
// More outputs than these are shown small.
const FULL_SIZE = 4;

export default function job(main, { session, rest }) {
  const ending = new AbortController();
  const id = encodeURIComponent(rest[0] ?? "");
  const view = { job: null, events: [], preview: null, deliveries: [] };
  const draw = () => view.job && replace(main, page(view, session));
  follow(id, view, draw, ending.signal).catch((error) => {
    if (!ending.signal.aborted) replace(main, heading("Job"), trouble(error));
  });
  const timer = setInterval(() => { if (view.job && !view.job.finished_at && !main.contains(document.activeElement)) draw(); }, 1000);
  return () => { ending.abort(); clearInterval(timer); };
}

async function follow(id, view, draw, signal) {
  const read = async () => {
    const [job, history, log] = await Promise.all([get(`v1/jobs/${id}`, {}, signal), get(`v1/jobs/${id}/history`, {}, signal),
      get("v1/webhook_deliveries", { job_id: id }, signal)]);
    Object.assign(view, { job, events: history.events, deliveries: log.deliveries });
    draw();
  };
  await read();
  while (!view.job.finished_at && !signal.aborted) {
    try {
      await stream(`v1/jobs/${id}/events`, async (event, { data }) => {
        if (event === "job.progress") view.job = { ...view.job, progress: data };
        else if (event === "job.preview") view.preview = `data:${data.mime};base64,${data.b64}`;
        else if (event !== "snapshot") { await read().catch(() => {}); return; }
        draw();
      }, signal);
      await read();
    } catch (error) {
      if (signal.aborted || (error instanceof ApiError && error.status === 404)) throw error;
      await pause();
    }
  }
  while (view.deliveries.some((one) => one.state === "waiting") && !signal.aborted) {
    await pause();
    if (!signal.aborted) await read().catch(() => {});
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, AGAIN_MS));

function page(view, session) {
  const { job } = view;
  return [
    heading(h("span", { class: "id" }, job.id), chip(job.status), session.scopes.includes("submit") && actions(job)),
    h("div", { class: "job" },
      h("div", null, result(view), panel("Where the time went", timeline(job)), panel("Events", events(view.events)),
        panel("The same call", snippet("curl", asCurl(job.request)), snippet("Python", asPython(job.request)))),
      h("div", null, panel("Asked", asked(job)), panel("Attempts", attempts(job, view.events)), shared(job), panel("Webhook", webhook(view)), extras(job)))];
}

function actions(job) {
  const ended = Boolean(job.finished_at);
  return [
    !ended && button("Cancel", async () => {
      if (await confirmed("Cancel this job?", "Cancel it")) await attempt(() => post(`v1/jobs/${job.id}/cancel`), "Canceled.");
    }, { class: "danger" }),
    ended && button("Retry", async () => {
      const again = await attempt(() => post(`v1/jobs/${job.id}/retry`), "Submitted again.");
      if (again) location.hash = `#/job/${again.id}`;
    }),
    h("a", { class: "button", href: `#/playground?from=${job.id}` }, "Reuse settings"),
    ended && button("Delete", async () => {
      if (!(await confirmed("Delete this job and its outputs?", "Delete it"))) return;
      await attempt(async () => { await send("DELETE", `v1/jobs/${job.id}`); location.hash = "#/jobs"; }, "Deleted.");
    }, { class: "danger" }),
  ];
}

function result({ job, preview }) {
  if (job.error) {
    return panel("Failed", h("div", { class: "failure" }, h("p", null, job.error.message), job.error.remedy && h("p", { class: "note" }, job.error.remedy)),
      h("p", { class: "note" }, h("code", null, job.error.code), job.error.worker && ` on ${job.error.worker}`));
  }
  if (job.artifacts.length) return panel("Outputs", h("div", { class: "outputs" }, job.artifacts.map((one) => output(one, job.artifacts.length > FULL_SIZE))));
  if (job.status === "running") return panel("Now", progress(job, preview));
  if (job.status === "queued") return panel("Waits", waits(job));
  return panel("Outputs", empty("No outputs", `The job was ${job.status}.`));
}

function output(artifact, isSmall) {
  const size = artifact.width ? `${artifact.width} × ${artifact.height}, ` : "";
  return h("div", null, h("div", { class: "stage" }, (isSmall ? thumb : media)(artifact, `Output ${artifact.index}`)),
    h("p", { class: "note" }, `${size}${bytes(artifact.size_bytes)}, seed ${artifact.seed} `),
    h("p", { class: "buttons" }, h("a", { class: "button small", href: artifact.url, download: "", target: "_blank", rel: "noopener" }, "Download")));
}

function progress(job, preview) {
  const now = job.progress ?? { phase: "loading", percent: 0 };
  return [
    h("div", { class: "stage" }, preview ? h("img", { src: preview, class: "small", alt: "Preview of the output" })
      : h("p", { class: "note" }, job.request.preview ? "The first preview comes with the first steps." : "This job asked for no previews.")),
    h("p", { class: "steps" }, h("span", null, now.steps ? `${now.phase}, step ${now.step} of ${now.steps}` : now.phase),
      h("span", { class: "note" }, now.eta_seconds ? `${seconds(now.eta_seconds)} left` : "")),
    bar(now.percent, "Progress")];
}

function waits(job) {
  const waiting = job.waiting;
  return h("dl", { class: "facts" },
    h("dt", null, "For"), h("dd", null, seconds(since(job.created_at))),
    waiting && [h("dt", null, "Because"), h("dd", null, waiting.reason), h("dt", null, "Done in"), h("dd", null, seconds(waiting.eta_seconds))]);
}

function asked(job) {
  const { model, prompt, negative_prompt: negative, parameters = {}, task, images = [], mask, inputs = {}, tags = [], num_outputs: outputs } = job.request;
  const pictures = [...images, ...(mask ? [mask] : []), ...Object.values(inputs).flat()];
  const facts = [["Prompt", prompt], ["Not", negative], ["Model", model], ["Task", task], ["Seed", job.seed], ["Outputs", outputs],
    ...Object.entries(parameters).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)]),
    ["Priority", job.request.priority], ["Deadline", job.request.deadline && clock(job.request.deadline)],
    ["Inputs", pictures.length && h("span", { class: "id" }, pictures.join("\n"))], ["Tags", tags.join(", ")]];
  return [h("dl", { class: "facts" }, facts.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== 0)
    .map(([name, value]) => [h("dt", null, name), h("dd", null, value)]))];
}

function attempts(job, all) {
  const rows = [];
  for (const event of all) {
    if (event.type === "job.started") rows.push([event.data.attempt, when(event.at), "runs"]);
    else if (event.type === "job.resumed" && rows.length) rows.at(-1)[2] = "runs, went on from a checkpoint";
    else if (rows.length && ["job.queued", "job.failed", "job.succeeded", "job.canceled"].includes(event.type)) {
      rows.at(-1)[2] = event.type === "job.queued" ? `handed back: ${event.data.reason ?? event.data.code ?? ""}` : event.type.slice(4);
    }
  }
  if (!rows.length) return h("p", { class: "note" }, "No worker has begun it.");
  return [table("Attempts", ["#No.", "Began", "Outcome"], rows),
    h("p", { class: "note" }, `${job.attempt} of at most ${job.max_attempts}`, job.worker && `, last on ${job.worker}`, job.retry_of && [", a retry of ", h("a", { href: `#/job/${job.retry_of}` }, job.retry_of)])];
}

function shared({ sharing }) {
  if (!sharing || !sharing.calls) return null;
  const facts = [["Denoiser calls", count(sharing.calls)], ["Shared with others", count(sharing.shared_calls)], ["Its share of forwards", sharing.forwards.toFixed(1)],
    ["Largest batch", sharing.max_batch], ["Device time", seconds(sharing.device_seconds)], ["Saved by a cache", sharing.calls_saved || null]];
  return panel("Sharing", h("dl", { class: "facts" }, facts.filter(([, value]) => value !== null).map(([name, value]) => [h("dt", null, name), h("dd", null, value)])));
}

function webhook({ job, deliveries: rows }) {
  const hook = job.request.webhook;
  if (!hook) return rows.length ? deliveries("Deliveries", rows) : h("p", { class: "note" }, "This job asked for none.");
  return [h("dl", { class: "facts" }, h("dt", null, "To"), h("dd", null, hook.url), h("dt", null, "Events"), h("dd", null, (hook.events ?? ["all but progress"]).join(", "))),
    rows.length ? deliveries("Deliveries", rows) : h("p", { class: "note" }, "Nothing was sent yet, or it is kept no longer.")];
}

function extras(job) {
  const rows = Object.entries(job.request.metadata ?? {});
  return rows.length > 0 && panel("Metadata", h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", null, name), h("dd", null, value)])));
}

function events(rows) {
  return h("ul", { class: "events" }, rows.map((event) => h("li", null,
    h("time", { datetime: event.at, title: event.at }, clock(event.at)), h("strong", null, event.type.slice(4)), h("span", null, detail(event)))));
}

function detail({ type, data }) {
  if (type === "job.output") return `output ${data.index}`;
  if (type === "job.failed") return data.code ?? "";
  return Object.entries(data).filter(([name, value]) => name !== "not_before_ms" && typeof value !== "object").map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ");
}
