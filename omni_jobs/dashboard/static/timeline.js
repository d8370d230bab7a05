// Where a job's time went: a bar with a part for each phase, and the figures below it.
import { h, svg } from "./dom.js";
import { between, seconds } from "./format.js";

export function phases(job) {
  const waited = between(job.created_at, job.started_at ?? job.finished_at ?? Date.now());
  const parts = [["waiting", waited]];
  if (!job.started_at) return parts;
  const ran = between(job.started_at, job.finished_at ?? Date.now());
  const known = Object.entries(job.timings ?? {}).map(([name, value]) => [name.replace(/_seconds$/, ""), value]);
  const rest = ran - known.reduce((sum, [, value]) => sum + value, 0);
  return [...parts, ...known, ...(rest > 0.001 ? [[known.length ? "other" : "running", rest]] : [])];
}

export function timeline(job) {
  const parts = phases(job);
  const whole = Math.max(0.001, parts.reduce((sum, [, value]) => sum + value, 0));
  let at = 0;
  const drawn = parts.map(([name, value], place) => {
    const width = (value / whole) * 100;
    at += width;
    return svg("rect", { x: at - width, y: 0, width, height: 10, class: `part${place % 6}` }, svg("title", null, name));
  });
  const words = parts.map(([name, value]) => `${name} ${seconds(value)}`);
  return [
    h("div", { class: "timeline" }, svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": words.join(", ") }, drawn)),
    h("p", { class: "legend" }, parts.map(([name, value], place) => h("span", null,
      svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { width: 10, height: 10, rx: 2, class: `part${place % 6}` })), `${name} ${seconds(value)}`)))];
}
