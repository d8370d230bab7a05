// The account's webhook endpoints and their secrets.
import { get, post, send } from "../api.js";
import { deliveries } from "../deliveries.js";
import { h, redraw } from "../dom.js";
import { keep } from "../live.js";
import { attempt, button, confirmed, empty, heading, panel, snippet, table, trouble, when } from "../parts.js";

const LIMIT = 50;
const STATES = ["waiting", "delivered", "given_up"];

export default function webhooks(main, { session }) {
  const mayChange = session.scopes.includes("submit");
  const body = h("div"), told = h("div");
  let state = "";
  main.append(heading("Webhooks"), told, mayChange && form(register), body);
  const live = keep(async (signal) => {
    try {
      const [found, log] = await Promise.all([get("v1/webhooks", {}, signal), get("v1/webhook_deliveries", { state, limit: LIMIT }, signal)]);
      redraw(body, [panel("Endpoints", found.endpoints.length ? list(found.endpoints)
        : empty("No endpoints of their own", "Jobs name their URL; messages to it are signed with the service's secret. Register a URL to give it a secret of its own.")),
      panel("Deliveries", choice(), log.deliveries.length ? deliveries("Deliveries", log.deliveries, mayChange && live.soon)
        : empty("No deliveries", state ? "None is in this state." : "What is sent for jobs appears here."),
      log.cursor && h("p", { class: "note" }, `The newest ${LIMIT} are shown.`))]);
    } catch (error) {
      if (error.name !== "AbortError") redraw(body, trouble(error));
    }
  }, { idle: 10000, every: 3000 });

  function list(endpoints) {
    return table("Endpoints", ["URL", "Since", "State", ""], endpoints.map((one) => [
      h("span", { class: "cut", title: one.url }, one.url), when(one.created_at),
      one.disabled_at ? h("span", { class: "bad" }, `off: ${one.reason ?? "disabled"}`) : "on",
      mayChange && h("span", { class: "buttons" },
        button("Test", () => test(one), { class: "small", "aria-label": `Send a test event to ${one.url}`, "data-focus": `test ${one.id}` }),
        button("Rotate secret", () => rotate(one), { class: "small", "aria-label": `Rotate the secret of ${one.url}`, "data-focus": `rotate ${one.id}` }),
        button("Forget", () => forget(one), { class: "small danger", "aria-label": `Forget ${one.url}`, "data-focus": `forget ${one.id}` }))]));
  }
  function show(endpoint) {
    if (!endpoint) return;
    redraw(told, panel("Secret", h("p", null, `The secret of ${endpoint.url}. It is shown this once.`), snippet("secret", endpoint.secret)));
    live.soon();
  }
  async function register(url) { show(await attempt(() => post("v1/webhooks", { url }))); }
  async function rotate(one) {
    if (await confirmed("Make a new secret? For 24 hours messages carry a signature of the old one as well.", "Rotate it")) show(await attempt(() => post(`v1/webhooks/${one.id}/rotate`)));
  }
  function choice() {
    return h("div", { class: "tools" }, h("label", null, "State", h("select", { "data-focus": "state", onchange: (event) => { state = event.target.value; live.soon(); } },
      h("option", { value: "" }, "any"), STATES.map((one) => h("option", { value: one, selected: one === state }, one.replace("_", " "))))));
  }
  async function test(one) {
    await attempt(() => post(`v1/webhooks/${one.id}/test`), "A test event is on its way.");
    live.soon();
  }
  async function forget(one) {
    if (!(await confirmed(`Forget ${one.url}? It is signed for with the service's secret again.`, "Forget it"))) return;
    await attempt(() => send("DELETE", `v1/webhooks/${one.id}`), "Forgotten.");
    live.soon();
  }
  return live.stop;
}

function form(register) {
  const field = h("input", { type: "url", required: true, placeholder: "https://example.com/hook", size: 40 });
  return h("form", { class: "tools", onsubmit: (event) => { event.preventDefault(); register(field.value); field.value = ""; } },
    h("label", null, "URL", field), h("button", null, "Register"));
}
