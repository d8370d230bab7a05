// Small pieces that every page is made of.
import { h, svg } from "./dom.js";
import { ago, clock, count } from "./format.js";

export const STATUSES = ["queued", "running", "succeeded", "failed", "canceled", "expired"];

export const chip = (status, words = status) => h("span", { class: `chip ${status}` }, words);
export const when = (moment) => (moment ? h("time", { datetime: moment, title: clock(moment) }, ago(moment)) : "–");
export const bar = (value, label) => h("progress", { max: 100, value: Math.round(value ?? 0), "aria-label": label });
export const button = (label, onclick, more = {}) => h("button", { type: "button", onclick, ...more }, label);
export const heading = (title, ...rest) => h("header", { class: "heading" }, h("h1", null, title), ...rest);

export const panel = (title, ...children) =>
  h("section", { class: "panel", "aria-label": title }, h("h2", null, title), ...children);

export const figure = (label, value, note, kind) =>
  h("div", { class: `figure ${kind ?? ""}` }, h("dt", null, label), h("dd", null, value, note && h("small", null, note)));

export const empty = (title, text, ...rest) =>
  h("div", { class: "empty" }, h("p", { class: "lead" }, title), text && h("p", null, text), ...rest);

export const trouble = (error) =>
  h("div", { class: "empty trouble", role: "alert" }, h("p", { class: "lead" }, error.message), h("p", null, h("code", null, error.code ?? error.name)));

// Rows are arrays of cells; a head that begins with "#" is right-aligned.
export function table(label, heads, rows) {
  const numeric = heads.map((one) => typeof one === "string" && one.startsWith("#"));
  const shown = (one) => (one === "" ? h("span", { class: "unseen" }, "Actions") : typeof one === "string" ? one.replace(/^#/, "") : one);
  return h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": label },
    h("table", null,
      h("thead", null, h("tr", null, heads.map((one, at) => h("th", { scope: "col", class: numeric[at] && "number" }, shown(one))))),
      h("tbody", null, rows.map((cells) => h("tr", null, cells.map((cell, at) => h("td", { class: numeric[at] && "number" }, cell)))))));
}

// Stacked bars of the last parts of the past.
export function bars(parts, kinds, label) {
  const most = Math.max(1, ...parts.map((part) => kinds.reduce((sum, kind) => sum + (part[kind] ?? 0), 0)));
  const width = 100 / parts.length;
  return h("figure", { class: "bars" },
    svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": label },
      parts.map((part, at) => {
        let top = 40;
        return kinds.map((kind) => {
          const height = (38 * (part[kind] ?? 0)) / most;
          top -= height;
          return height > 0 && svg("rect", { x: at * width + 0.3, y: top, width: width - 0.6, height, class: kind });
        });
      })),
    h("figcaption", null, `most in one part: ${count(most)}`));
}

export function snippet(label, text) {
  const copy = button("Copy", async () => {
    if (!navigator.clipboard) return notify("This browser copies on https and localhost only; select the text instead.", "bad");
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    return setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  }, { class: "small", "aria-label": `Copy ${label}` });
  return h("div", { class: "snippet" }, h("div", { class: "bar" }, h("span", null, label), copy),
    h("pre", { tabindex: 0, "aria-label": label }, text));
}

export function notify(text, kind = "") {
  const note = h("p", { class: `notice ${kind}` }, text);
  document.getElementById("notices").append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 8000 : 4000);
}

// Runs what a button asks for; an error is shown, not thrown.
export async function attempt(action, done) {
  try {
    const result = await action();
    if (done) notify(typeof done === "function" ? done(result) : done);
    return result;
  } catch (error) {
    notify(error.message, "bad");
    return undefined;
  }
}

export function confirmed(question, verb) {
  return new Promise((resolve) => {
    const box = h("dialog", { "aria-label": question, onclose: () => { box.remove(); resolve(box.returnValue === "yes"); } },
      h("p", null, question),
      h("div", { class: "buttons" }, button("No, leave it", () => box.close("no")), button(verb, () => box.close("yes"), { class: "danger" })));
    document.body.append(box);
    box.showModal();
  });
}
