// Dead letters: jobs that failed or came too late, and webhooks that were given up. Each can be sent on its way again.
import { get } from "../api.js";
import { deliveries } from "../deliveries.js";
import { h, redraw } from "../dom.js";
import { count } from "../format.js";
import { keep } from "../live.js";
import { button, chip, confirmed, empty, heading, notify, panel, table, trouble, when } from "../parts.js";
import { all } from "./jobs.js";

const LIMIT = 100;

export default function dead(main, { session }) {
  const mayRedrive = session.scopes.includes("submit");
  const body = h("div");
  let code = "";
  main.append(body);
  const live = keep(async (signal) => {
    try {
      const [failed, expired, lost] = await Promise.all([
        get("v1/jobs", { status: "failed", limit: LIMIT }, signal), get("v1/jobs", { status: "expired", limit: LIMIT }, signal),
        get("v1/webhook_deliveries", { state: "given_up", limit: LIMIT }, signal)]);
      draw([...failed.jobs, ...expired.jobs], Boolean(failed.cursor || expired.cursor), lost.deliveries);
    } catch (error) {
      if (error.name !== "AbortError") redraw(body, trouble(error));
    }
  }, { idle: 6000, every: 2000 });

  function draw(jobs, more, lost) {
    const codes = [...new Set(jobs.map(codeOf))].sort();
    if (code && !codes.includes(code)) code = "";
    const shown = jobs.filter((job) => !code || codeOf(job) === code);
    const choice = h("select", { "data-focus": "code", onchange: (event) => { code = event.target.value; draw(jobs, more, lost); } },
      h("option", { value: "" }, "any code"), codes.map((one) => h("option", { value: one, selected: one === code }, one)));
    redraw(body, [heading("Dead letters"),
      panel("Jobs", !jobs.length ? empty("No dead jobs", "Jobs that fail or come too late are kept here for their time to live.") : [
        h("div", { class: "tools" }, h("label", null, "Error", choice),
          mayRedrive && button(`Redrive ${count(shown.length)}`, () => redrive(shown), { "data-focus": "redrive" })),
        table("Dead jobs", ["Job", "Status", "Code", "Prompt", "Why", "#Ended", ""], shown.map((job) => [
          h("a", { class: "id", href: `#/job/${job.id}` }, job.id.slice(-12)), chip(job.status), h("code", null, codeOf(job)),
          h("span", { class: "cut", title: job.request.prompt }, job.request.prompt), h("span", { class: "cut", title: job.error?.message }, job.error?.message ?? "Its deadline passed."),
          when(job.finished_at), mayRedrive && button("Redrive", () => redrive([job]), { class: "small", "aria-label": `Redrive ${job.id}`, "data-focus": `redrive ${job.id}` })])),
        more && h("p", { class: "note" }, `The newest ${LIMIT} of a kind are shown. `, h("a", { href: `#/jobs?status=failed${code && code !== "expired" ? `&error_code=${encodeURIComponent(code)}` : ""}` }, "All that failed"), " can be tried again together.")]),
      panel("Webhooks given up", lost.length ? deliveries("Webhooks given up", lost, mayRedrive && live.soon)
        : empty("No lost webhooks", "Deliveries that were given up after their last try are kept for 30 days."))]);
  }
  async function redrive(jobs) {
    if (jobs.length > 1 && !(await confirmed(`Submit ${jobs.length} jobs again? Each becomes a new job; these stay as they are.`, "Redrive them"))) return;
    const { failed } = await all("retry", jobs);
    notify(failed.length ? `${failed.length} of ${jobs.length} were refused: ${failed[0].message}` : `${jobs.length} submitted again.`, failed.length ? "bad" : "");
    live.soon();
  }
  return live.stop;
}

const codeOf = (job) => job.error?.code ?? job.status;
