// Jobs, newest first: filtered, live, many at a time canceled or tried again.
import { get, post } from "../api.js";
import { h, redraw } from "../dom.js";
import { seconds, between, since } from "../format.js";
import { keep } from "../live.js";
import { attempt, bar, button, chip, confirmed, empty, heading, notify, STATUSES, table, trouble, when } from "../parts.js";
import { allowed, sweep, verbOf } from "../sweep.js";
import { thumb } from "../thumb.js";

const LIMIT = 50;
const AT_ONCE = 6;
const MOST_LOOKS = 10;
const FILTERS = ["status", "model", "tag", "error_code"];

export default function jobs(main, { session, parameters }) {
  const maySubmit = session.scopes.includes("submit");
  const filter = Object.fromEntries(FILTERS.map((name) => [name, parameters.get(name) ?? ""]));
  const cursors = [undefined];
  const picked = new Set();
  let page = { jobs: [] };
  const list = h("div"), tools = h("div");

  const live = keep(async (signal) => {
    try {
      page = await found(filter, cursors.at(-1), signal);
      draw();
    } catch (error) {
      if (error.name !== "AbortError") redraw(list, trouble(error));
    }
  }, { idle: 4000 });

  function draw() {
    const there = new Set(page.jobs.map((job) => job.id));
    for (const id of picked) if (!there.has(id)) picked.delete(id);
    redraw(list, [
      maySubmit && selection(), page.jobs.length || cursors.length > 1 ? rows() : nothing(filter, page.cursor), pager()]);
  }
  function selection() {
    const chosen = page.jobs.filter((job) => picked.has(job.id));
    const open = chosen.filter((job) => ["queued", "running"].includes(job.status));
    const ended = chosen.filter((job) => !open.includes(job));
    return h("div", { class: "selection" },
      h("span", { "aria-live": "polite" }, chosen.length ? `${chosen.length} selected` : "Select jobs, or take all that match:"),
      open.length > 0 && button(`Cancel ${open.length}`, () => each("cancel", open), { class: "danger", "data-focus": "cancel" }),
      ended.length > 0 && button(`Retry ${ended.length}`, () => each("retry", ended), { "data-focus": "retry" }),
      !chosen.length && allowed(filter).map((name) => button(`${verbOf(name)} all …`, () => everything(name), { "data-focus": `all ${name}` })));
  }
  async function each(verb, chosen) {
    if (verb === "cancel" && !(await confirmed(`Cancel ${chosen.length} ${chosen.length === 1 ? "job" : "jobs"}?`, "Cancel them"))) return;
    const done = await all(verb, chosen);
    picked.clear();
    notify(done.failed.length ? `${done.failed.length} of ${chosen.length} not done: ${done.failed[0].message}` : `${chosen.length} done.`, done.failed.length ? "bad" : "");
    live.soon();
  }
  async function everything(name) {
    await attempt(() => sweep(name, filter));
    live.soon();
  }
  function pick(id, on) { if (on) picked.add(id); else picked.delete(id); draw(); }
  function rows() {
    const everyone = page.jobs.length > 0 && page.jobs.every((job) => picked.has(job.id));
    const head = maySubmit ? [h("input", {
      type: "checkbox", "aria-label": "Select all on this page", "data-focus": "all", checked: everyone, indeterminate: picked.size > 0 && !everyone,
      onchange: (event) => { for (const job of page.jobs) if (event.target.checked) picked.add(job.id); else picked.delete(job.id); draw(); },
    })] : [];
    const box = (job) => maySubmit ? [h("input", {
      type: "checkbox", "aria-label": `Select ${job.id}`, "data-focus": `pick ${job.id}`, checked: picked.has(job.id), onchange: (event) => pick(job.id, event.target.checked),
    })] : [];
    return table("Jobs", [...head, "Job", "Status", "Prompt", "Model", "#Created", "#Took"], page.jobs.map((job) => [
      ...box(job),
      h("a", { class: "id", href: `#/job/${job.id}`, "data-focus": job.id, "data-job": "" }, job.id.slice(-12)),
      state(job), said(job), job.request.model, when(job.created_at), took(job)]));
  }
  function pager() {
    return h("div", { class: "buttons" },
      cursors.length > 1 && button("Newer", () => { cursors.pop(); live.soon(); }, { "data-focus": "newer" }),
      page.cursor && button("Older", () => { cursors.push(page.cursor); live.soon(); }, { "data-focus": "older" }));
  }

  main.append(heading("Jobs"), tools, list);
  toolbar(tools, filter);
  const move = (event) => stroll(event, list);
  addEventListener("keydown", move);
  return () => { live.stop(); removeEventListener("keydown", move); };
}

// One request looks at some 1000 jobs where there is a filter; the first page with any is shown.
async function found(filter, cursor, signal) {
  let page = await get("v1/jobs", { ...filter, cursor, limit: LIMIT }, signal);
  for (let looks = 1; !page.jobs.length && page.cursor && looks < MOST_LOOKS; looks += 1) {
    page = await get("v1/jobs", { ...filter, cursor: page.cursor, limit: LIMIT }, signal);
  }
  return page;
}

export async function all(verb, chosen) {
  const waiting = [...chosen], failed = [];
  const take = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      try { await post(`v1/jobs/${job.id}/${verb}`); } catch (error) { failed.push(error); }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
  return { failed };
}

function toolbar(place, filter) {
  const go = () => {
    const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
    location.hash = `#/jobs${query.size ? `?${query}` : ""}`;
  };
  const models = h("select", { onchange: (event) => { filter.model = event.target.value; go(); } }, h("option", { value: "" }, "any"));
  const statuses = h("select", { onchange: (event) => { filter.status = event.target.value; filter.error_code = ""; go(); } },
    h("option", { value: "" }, "any"), STATUSES.map((one) => h("option", { value: one, selected: one === filter.status }, one)));
  const search = h("input", { type: "search", placeholder: "a tag, or a job's id", value: filter.tag, "data-search": "" });
  const code = h("input", { type: "search", placeholder: "any", value: filter.error_code, size: 14 });
  place.append(h("form", { class: "tools", onsubmit: (event) => {
    event.preventDefault();
    const text = search.value.trim();
    if (/^job_[0-9a-f]+$/.test(text)) { location.hash = `#/job/${text}`; return; }
    Object.assign(filter, { tag: text, error_code: code.value.trim() });
    go();
  } }, h("label", null, "Status", statuses), h("label", null, "Model", models), h("label", null, "Tag or id", search),
  filter.status === "failed" && h("label", null, "Error code", code), h("button", null, "Show")));
  get("v1/models").then((found) => models.append(...found.models.map(({ card }) =>
    h("option", { value: card.name, selected: card.name === filter.model }, card.name)))).catch(() => {});
}

function said(job) {
  const shot = job.artifacts.find((one) => one.kind === "output");
  return h("span", { class: "said" }, shot && thumb(shot, ""), h("span", { class: "cut", title: job.request.prompt }, job.request.prompt));
}

function state(job) {
  const progress = job.progress;
  if (job.status !== "running" || !progress) return chip(job.status);
  const label = progress.steps ? `${progress.step}/${progress.steps}` : progress.phase;
  return h("span", { class: "mini" }, bar(progress.percent, `Progress of ${job.id}`), label);
}

function took(job) {
  if (job.finished_at && job.started_at) return seconds(between(job.started_at, job.finished_at));
  return job.started_at ? seconds(since(job.started_at)) : "–";
}

function nothing(filter, hasMore) {
  if (hasMore) return empty("None so far", `None of the newest ${MOST_LOOKS * 1000} jobs fits; older ones may.`);
  if (Object.values(filter).some(Boolean)) return empty("No job fits", "Change the filter, or show all.", h("p", null, h("a", { href: "#/jobs" }, "All jobs")));
  return empty("No jobs yet", "Submit one over HTTP, with the command line, or here.", h("p", null, h("a", { href: "#/playground" }, "Playground")));
}

function stroll(event, list) {
  if (!["j", "k"].includes(event.key) || event.target.closest("input, textarea, select, dialog")) return;
  const links = [...list.querySelectorAll("[data-job]")];
  const at = links.indexOf(document.activeElement);
  const next = links[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
  next?.focus();
}
