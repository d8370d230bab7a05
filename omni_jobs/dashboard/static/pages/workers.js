// The live workers: their models, what they hold, and who shared the latest batches.
import { get, post } from "../api.js";
import { h, redraw } from "../dom.js";
import { bytes, count, seconds, since } from "../format.js";
import { keep } from "../live.js";
import { matrix } from "../matrix.js";
import { attempt, bar, button, confirmed, empty, heading, table, trouble } from "../parts.js";

// What can be asked of a model in each state.
const ACTIONS = { ready: ["sleep", "unload"], asleep: ["wake", "unload"], unloaded: ["load"], failed: ["load"] };

export default function workers(main) {
  const body = h("div");
  main.append(body);
  const live = keep(async (signal) => {
    try {
      const found = await get("v1/workers", {}, signal);
      redraw(body, [heading("Workers"), found.workers.length ? found.workers.map((one) => worker(one, ask))
        : empty("No worker is alive", "Jobs wait until one is.", h("p", null, h("code", null, "omni-jobs worker --model shapes")))]);
    } catch (error) {
      if (error.name !== "AbortError") redraw(body, trouble(error));
    }
  }, { idle: 1000 });

  async function ask(id, action, model) {
    const question = action === "drain" ? `Have ${id} hand back its jobs and end? A supervisor starts a fresh one.`
      : `${action[0].toUpperCase()}${action.slice(1)} ${model} on ${id}? Jobs in it end first.`;
    if (["drain", "unload"].includes(action) && !(await confirmed(question, action === "drain" ? "Drain it" : "Unload it"))) return;
    await attempt(() => post(`v1/workers/${encodeURIComponent(id)}`, { action, model }), "Asked; it hears that within a second.");
    live.soon();
  }
  return live.stop;
}

function worker(one, ask) {
  const details = one.details ?? {};
  const errors = Object.entries(details.errors ?? {});
  return h("section", { class: "panel worker", "aria-label": `Worker ${one.id}` },
    h("header", null, h("h2", null, one.id), h("span", { class: `chip ${one.state}` }, one.state), h("span", { class: "note" }, `${one.host}, ${one.device || "no device yet"}, up ${seconds(since(one.started_at))}`),
      h("div", { class: "buttons" }, one.state !== "draining" && button("Drain", () => ask(one.id, "drain"), { class: "danger small", "data-focus": `drain ${one.id}` }))),
    h("dl", { class: "facts" }, facts(one, details).map(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
    one.held_up && h("p", { class: "bad" }, `Claims nothing: ${one.held_up}.`),
    errors.map(([model, text]) => h("p", { class: "bad" }, `${model}: ${text}`)),
    h("h3", null, "Models"),
    table(`Models of ${one.id}`, ["Model", "State", ""], Object.entries(one.models).sort().map(([model, state]) => [
      model, h("span", { class: `chip ${state}` }, state),
      h("span", { class: "buttons" }, (ACTIONS[state] ?? []).map((action) =>
        button(action, () => ask(one.id, action, model), { class: "small", "aria-label": `${action} ${model}`, "data-focus": `${action} ${one.id} ${model}` })))])),
    (details.engines ?? []).map((engine, at) => shares(engine, details.engines.length > 1 ? ` of engine ${at}` : "")));
}

function facts(one, details) {
  const together = details.forwards ? `${(details.calls / details.forwards).toFixed(1)} calls a forward since it began, ${details.max_batch} at most` : "none yet";
  const devices = (details.engines ?? []).map((engine) => engine.recent?.memory).filter(Boolean);
  return [
    ["Slots", `${one.in_flight} of ${one.slots} taken`],
    ["Requests done", count(details.requests)],
    ["Sharing", together],
    ...(devices.length ? [["Device memory", devices.map((device) => memory(device, `Device memory of ${one.id}`))]] : []),
    ...(details.host_memory ? [["Host memory", memory(details.host_memory, `Host memory of ${one.id}`)]] : []),
    ...(details.engine_restarts ? [["Engine restarts", count(details.engine_restarts)]] : []),
    ["Version", one.version]];
}

const memory = ({ used_bytes: used, total_bytes: total }, label) =>
  h("span", { class: "mini" }, bar((100 * used) / total, label), `${bytes(used)} of ${bytes(total)}`);

function shares(engine, suffix) {
  const recent = engine.recent;
  if (!recent) return null;
  const pace = recent.ms_per_batch ? `, ${recent.ms_per_batch < 10 ? recent.ms_per_batch.toFixed(1) : Math.round(recent.ms_per_batch)} ms a step` : "";
  return [h("h3", null, `Who shares which batch${suffix}`),
    recent.batches.length ? h("div", { class: "matrix" }, h("p", { class: "note" }, `The latest ${recent.batches.length} batches${pace}; ${recent.is_running ? "the rightmost runs now" : "idle now"}.`), matrix(recent))
      : h("p", { class: "note" }, "Nothing ran yet.")];
}
