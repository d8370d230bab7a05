// API keys of all accounts: made, shown once, revoked; and when each was last used.
import { get, post } from "../api.js";
import { h, redraw } from "../dom.js";
import { bytes, count, seconds } from "../format.js";
import { keep } from "../live.js";
import { attempt, button, confirmed, empty, heading, panel, snippet, table, trouble, when } from "../parts.js";

const SCOPES = { read: true, submit: true, admin: false };

export default function keys(main, { session }) {
  const body = h("div"), told = h("div");
  main.append(heading("Keys"), told, form(session, issue), body);
  const live = keep(async (signal) => {
    try {
      const [found, used] = await Promise.all([get("v1/keys", {}, signal), get("v1/usage", { days: 7 }, signal)]);
      redraw(body, [found.keys.length ? list([...found.keys].reverse()) : empty("No keys", "Without any, only this machine is answered."), usage(used)]);
    } catch (error) {
      if (error.name !== "AbortError") redraw(body, trouble(error));
    }
  }, { idle: 10000, events: false });

  function list(rows) {
    return table("Keys", ["Key", "Account", "Name", "Scopes", "Made", "Last used", ""], rows.map((key) => [
      h("span", { class: "id" }, key.id, key.id === session.key_id ? " (yours)" : ""), key.account, h("span", { class: "cut" }, key.name), key.scopes.join(", "), when(key.created_at), when(key.used_at),
      key.revoked_at ? h("span", { class: "note" }, "revoked ", when(key.revoked_at))
        : button("Revoke", () => revoke(key), { class: "small danger", "aria-label": `Revoke ${key.id}`, "data-focus": `revoke ${key.id}` })]));
  }
  async function issue(wanted) {
    const made = await attempt(() => post("v1/keys", wanted));
    if (!made) return;
    redraw(told, panel("New key", h("p", null, `A key for account ${made.key.account}. It is shown this once.`), snippet("key", made.text)));
    live.soon();
  }
  async function revoke(key) {
    if (!(await confirmed(`Revoke ${key.id} of ${key.account}? Whoever uses it is refused at once.`, "Revoke it"))) return;
    await attempt(() => post(`v1/keys/${key.id}/revoke`), "Revoked.");
    live.soon();
  }
  return live.stop;
}

// What the account used by day. Limits are set on the command line.
function usage({ account, days, limits }) {
  const set = Object.entries(limits).map(([name, value]) => `${name.replaceAll("_", " ")} ${count(value)}`);
  return panel(`Usage of ${account}`,
    days.length ? table("Usage by day", ["Day (UTC)", "#Requests", "#Jobs", "#Succeeded", "#Failed", "#Outputs", "#Device time", "#Bytes"], days.map((day) => [
      day.day, count(day.requests), count(day.jobs), count(day.succeeded), count(day.failed), count(day.outputs), seconds(day.device_seconds), bytes(day.bytes)]))
      : h("p", { class: "note" }, "Nothing was used in seven days."),
    h("p", { class: "note" }, set.length ? `Limits: ${set.join(", ")}.` : "No limits are set."));
}

function form(session, issue) {
  const account = h("input", { required: true, pattern: "[a-zA-Z0-9_.\\-]{1,64}", value: session.account });
  const name = h("input", { maxlength: 100 });
  const boxes = Object.entries(SCOPES).map(([scope, checked]) => [scope, h("input", { type: "checkbox", checked })]);
  return h("form", { class: "tools", onsubmit: (event) => {
    event.preventDefault();
    issue({ account: account.value, name: name.value, scopes: boxes.filter(([, box]) => box.checked).map(([scope]) => scope) });
  } }, h("label", null, "Account", account), h("label", null, "Name", name),
  boxes.map(([scope, box]) => h("label", null, scope, box)), h("button", null, "Make a key"));
}
