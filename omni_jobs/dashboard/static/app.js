// The shell: who is logged in, which page is shown, keys of the keyboard, theme.
import { get, key, setKey, whenUnauthorized } from "./api.js";
import { h, replace } from "./dom.js";
import * as feed from "./feed.js";
import { login } from "./login.js";
import { trouble } from "./parts.js";
import { nextTheme, themeName, useTheme } from "./theme.js";
import { forget } from "./thumb.js";

// Path, label, key after "g", module, and the scope without which it is not shown.
const PAGES = [
  ["overview", "Overview", "o", "overview", "read"],
  ["jobs", "Jobs", "j", "jobs", "read"],
  ["gallery", "Gallery", "g", "gallery", "read"],
  ["playground", "Playground", "p", "playground", "submit"],
  ["workers", "Workers", "w", "workers", "admin"],
  ["dead", "Dead letters", "d", "dead", "read"],
  ["webhooks", "Webhooks", "h", "webhooks", "read"],
  ["keys", "Keys", "k", "keys", "admin"],
];
const JOB = ["job", "Job", "", "job", "read"];
const ICON = new URL("icon.svg", import.meta.url).href;
const shell = document.getElementById("shell");
let session = null;
let leave = () => {};
let shown = 0;

useTheme();
moduleOf(place().name)?.catch(() => {});  // comes while the session is asked for
whenUnauthorized(() => { if (session) begin(); });
addEventListener("hashchange", () => session && show());
addEventListener("keydown", pressed);
begin();

function place() {
  const [path, query] = (location.hash.slice(2) || PAGES[0][0]).split("?");
  const [name, ...rest] = path.split("/");
  return { name, rest, query };
}

function moduleOf(name) {
  const page = [...PAGES, JOB].find((one) => one[0] === name);
  return page && import(`./pages/${page[3]}.js`);
}

async function begin() {
  feed.stop();
  leave();
  session = null;
  try {
    session = await get("v1/session");
  } catch (error) {
    if (error.status === 401) return replace(shell, login(error, key(), (text) => { setKey(text); begin(); }));
    return replace(shell, h("main", { id: "main", class: "alone" }, trouble(error),
      h("p", null, h("button", { type: "button", onclick: begin }, "Try again"))));
  }
  if (session.scopes.includes("read")) feed.start();
  frame();
  return show();
}

const allowed = () => PAGES.filter((page) => session.scopes.includes(page[4]));

function frame() {
  const live = h("span", { class: "live" });
  feed.whenStateChanges((state) => { live.className = `live ${state}`; replace(live, document.createTextNode(state)); });
  const theme = h("button", { type: "button", class: "quiet", onclick: () => { nextTheme(); theme.textContent = themeName(); } }, themeName());
  const out = session.asks_for_keys && h("button", { type: "button", class: "quiet", onclick: () => { setKey(null); forget(); begin(); } }, "Log out");
  replace(shell,
    h("div", { class: "frame" },
      h("header", { class: "top" },
        h("a", { class: "brand", href: "#/overview" }, h("img", { src: ICON, alt: "", width: 20, height: 20 }), "omni-jobs"),
        live, h("span", { class: "account", title: session.key_id ?? "no key" }, session.account), theme, out),
      h("nav", { "aria-label": "Pages" }, allowed().map(([path, label, letter]) =>
        h("a", { href: `#/${path}`, "data-page": path, title: `g ${letter}` }, label))),
      h("main", { id: "main", tabindex: -1 })));
}

async function show() {
  const { name, rest, query } = place();
  const page = name === "job" ? JOB : allowed().find((one) => one[0] === name) ?? allowed()[0];
  const turn = ++shown;
  leave();
  leave = () => {};
  if (!page) return replace(shell, h("main", { id: "main", class: "alone" }, trouble({ message: "This key allows nothing here.", code: "forbidden" })));
  for (const link of shell.querySelectorAll("nav a")) {
    const current = link.dataset.page === (name === "job" ? "jobs" : page[0]);
    link.toggleAttribute("aria-current", current);
    if (current) link.setAttribute("aria-current", "page");
  }
  document.title = `${page[1]} · omni-jobs`;
  const module = await moduleOf(page[0]);
  if (turn !== shown) return;
  const main = document.getElementById("main");
  replace(main);
  leave = module.default(main, { session, parameters: new URLSearchParams(query), rest }) ?? (() => {});
}

let first = "";
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !session) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  if (first === "g") {
    const page = allowed().find((one) => one[2] === event.key);
    first = "";
    if (page) { location.hash = `#/${page[0]}`; event.preventDefault(); }
    return;
  }
  first = event.key === "g" ? "g" : "";
  if (event.key === "/") {
    const field = document.querySelector("[data-search]");
    if (field) { field.focus(); event.preventDefault(); }
  }
  if (event.key === "?") help();
}

function help() {
  const box = h("dialog", { "aria-label": "Keyboard", onclose: () => box.remove() },
    h("h2", null, "Keyboard"),
    h("dl", { class: "keys" }, allowed().map(([, label, letter]) => [h("dt", null, h("kbd", null, "g"), " ", h("kbd", null, letter)), h("dd", null, label)]),
      h("dt", null, h("kbd", null, "/")), h("dd", null, "to the search field"),
      h("dt", null, h("kbd", null, "j"), " ", h("kbd", null, "k")), h("dd", null, "next and previous job in a list"),
      h("dt", null, h("kbd", null, "?")), h("dd", null, "this list")),
    h("form", { method: "dialog", onsubmit: (event) => { event.preventDefault(); box.close(); } }, h("button", null, "Close")));
  document.body.append(box);
  box.showModal();
}
