// Outputs of jobs that succeeded: looked at, compared side by side, downloaded, their settings used again.
import { get } from "../api.js";
import { h, redraw } from "../dom.js";
import { keep } from "../live.js";
import { media } from "../media.js";
import { attempt, button, empty, heading, trouble, when } from "../parts.js";
import { thumb } from "../thumb.js";

const LIMIT = 30;
const MOST_COMPARED = 4;

export default function gallery(main) {
  let shots = [], cursor, extended = false;
  const picked = new Map();
  const body = h("div");
  main.append(body);

  const live = keep(async (signal) => {
    if (extended) return;  // older pages are shown: nothing moves under the reader's eyes
    try {
      const found = await page(undefined, signal);
      [shots, cursor] = [found.shots, found.cursor];
      draw();
    } catch (error) {
      if (error.name !== "AbortError") redraw(body, trouble(error));
    }
  }, { idle: 20000, every: 3000 });

  async function older() {
    const found = await attempt(() => page(cursor));
    if (!found) return;
    extended = true;
    shots = [...shots, ...found.shots];
    cursor = found.cursor;
    draw();
  }
  function pick(shot, on) {
    if (on && picked.size < MOST_COMPARED) picked.set(shot.artifact.id, shot);
    else picked.delete(shot.artifact.id);
    draw();
  }
  function draw() {
    redraw(body, [
      heading("Gallery", h("span", { class: "note", "aria-live": "polite" }, picked.size ? `${picked.size} of at most ${MOST_COMPARED} chosen` : ""),
        button("Compare", () => compare([...picked.values()]), { disabled: picked.size < 2, "data-focus": "compare" })),
      shots.length ? h("div", { class: "gallery" }, shots.map((shot) => card(shot, picked.has(shot.artifact.id), pick)))
        : empty("No outputs yet", "What jobs draw appears here.", h("p", null, h("a", { href: "#/playground" }, "Playground"))),
      cursor && h("p", { class: "buttons" }, button("Older", older, { "data-focus": "older" }))]);
  }
  return live.stop;
}

async function page(cursor, signal) {
  const found = await get("v1/jobs", { status: "succeeded", limit: LIMIT, cursor }, signal);
  return { cursor: found.cursor, shots: found.jobs.flatMap((job) => job.artifacts.filter((one) => one.kind === "output").map((artifact) => ({ job, artifact }))) };
}

function card(shot, isPicked, pick) {
  const { job, artifact } = shot;
  return h("article", { class: "card", "aria-label": job.request.prompt },
    h("a", { class: "shot", href: `#/job/${job.id}`, "data-focus": artifact.id }, thumb(artifact, job.request.prompt)),
    h("p", { class: "words", title: job.request.prompt }, job.request.prompt),
    h("div", { class: "row" },
      h("label", { class: "note" }, h("input", { type: "checkbox", checked: isPicked, "data-focus": `pick ${artifact.id}`, onchange: (event) => pick(shot, event.target.checked) }), " Compare"),
      h("span", { class: "note" }, when(job.finished_at))),
    h("div", { class: "row" },
      h("a", { class: "button small", href: `#/playground?from=${job.id}` }, "Reuse"),
      h("a", { class: "button small", href: artifact.url, download: "", target: "_blank", rel: "noopener" }, "Download")));
}

// Side by side; what differs between the settings stands out.
function compare(shots) {
  const settings = shots.map(({ job, artifact }) => ({ prompt: job.request.prompt, model: job.request.model, seed: artifact.seed, ...job.request.parameters }));
  const names = [...new Set(settings.flatMap(Object.keys))];
  const differs = (name) => new Set(settings.map((one) => JSON.stringify(one[name]))).size > 1;
  const box = h("dialog", { class: "wide", "aria-label": "Comparison", onclose: () => box.remove() },
    h("div", { class: "compare" }, shots.map(({ job, artifact }, at) => h("div", null,
      media({ ...artifact, width: undefined }, job.request.prompt),
      h("dl", { class: "facts" }, names.map((name) => [h("dt", null, name), h("dd", { class: differs(name) && "differs" }, String(settings[at][name] ?? "–"))]))))),
    h("div", { class: "buttons" }, button("Close", () => box.close())));
  document.body.append(box);
  box.showModal();
}
