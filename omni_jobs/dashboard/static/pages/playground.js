// A form made from a model's JSON schema; it submits the job and shows the same call for other clients.
import { get, post, send } from "../api.js";
import { asCurl, asPython, spoken } from "../call.js";
import { h, replace } from "../dom.js";
import { attempt, empty, heading, panel, snippet, trouble } from "../parts.js";
import { control } from "../schema.js";

// Shown at once; the other parameters are folded away.
const FIRST = ["width", "height", "num_inference_steps", "guidance_scale", "true_cfg_scale", "num_frames", "strength"];

export default function playground(main, { parameters }) {
  const ending = new AbortController();
  prepare(main, parameters, ending.signal).catch((error) => {
    if (!ending.signal.aborted) replace(main, heading("Playground"), trouble(error));
  });
  return () => ending.abort();
}

async function prepare(main, parameters, signal) {
  const { models } = await get("v1/models", {}, signal);
  if (!models.length) return replace(main, heading("Playground"), empty("No model yet", "A worker publishes its models when it has loaded them."));
  const from = parameters.get("from");
  const old = from ? (await get(`v1/jobs/${from}`, {}, signal)) : null;
  const given = old ? { ...spoken(old.request), seed: old.seed } : {};
  const cards = models.map((one) => one.card);
  const wanted = given.model ?? parameters.get("model");
  return draw(main, cards, cards.find((card) => card.name === wanted) ?? cards[0], given);
}

function draw(main, cards, card, given) {
  const fields = fieldsOf(card, given);
  const calls = h("div");
  const request = () => body(card, fields, given);
  const retell = () => replace(calls, snippet("curl", asCurl(request())), snippet("Python", asPython(request())));
  const choice = h("select", { id: "model", onchange: (event) => draw(main, cards, cards.find((one) => one.name === event.target.value), { prompt: fields.prompt.read() }) },
    cards.map((one) => h("option", { value: one.name, selected: one === card }, one.name)));
  const submit = async (event) => {
    event.preventDefault();
    const job = await attempt(() => post("v1/jobs", request()));
    if (job) location.hash = `#/job/${job.id}`;
  };
  const [first, rest] = split(fields);
  replace(main, heading("Playground"), h("div", { class: "playground" },
    h("form", { class: "panel", oninput: retell, onchange: retell, onsubmit: submit },
      h("div", { class: "fields" },
        h("div", { class: "field whole" }, h("label", { for: "model" }, "Model"), choice, card.description && h("span", { class: "note" }, card.description)),
        first.map((one) => one.element)),
      rest.length > 0 && h("details", null, h("summary", null, `${rest.length} more parameters`), h("div", { class: "fields" }, rest.map((one) => one.element))),
      h("p", { class: "buttons submit" }, h("button", { class: "primary" }, "Submit"))),
    panel("The same call", calls)));
  retell();
}

function fieldsOf(card, given) {
  const fields = { prompt: control("prompt", { type: "string", rows: 3, whole: true, required: true }, given.prompt) };
  if (card.accepts_negative_prompt) fields.negative_prompt = control("negative_prompt", { type: "string", rows: 1, whole: true }, given.negative_prompt);
  if (card.max_input_images) fields.images = pictures(card.max_input_images, given.images);
  const properties = card.parameters_schema.properties ?? {};
  for (const name of [...FIRST.filter((one) => one in properties), ...Object.keys(properties).filter((one) => !FIRST.includes(one))]) {
    fields[`parameters.${name}`] = control(name, properties[name], given.parameters?.[name], card.defaults?.[name]);
  }
  fields.seed = control("seed", { type: "integer", minimum: 0, description: "Random if empty." }, given.seed);
  fields.num_outputs = control("num_outputs", { type: "integer", minimum: 1, maximum: 64 }, given.num_outputs, 1);
  fields.preview = control("preview", { type: "boolean", description: "Small pictures while it runs." }, given.preview ?? true, false);
  return fields;
}

function split(fields) {
  const isMore = ([name]) => name.startsWith("parameters.") && !FIRST.includes(name.slice(11));
  const all = Object.entries(fields);
  return [all.filter((one) => !isMore(one)), all.filter(isMore)].map((some) => some.map(([, field]) => field));
}

function body(card, fields, given) {
  const request = { model: card.name, parameters: {} };
  if (fields.images?.read()?.length || (given.task === "edit" && !card.tasks.includes("generate"))) request.task = "edit";
  for (const [name, field] of Object.entries(fields)) {
    const value = field.read();
    if (value === undefined) continue;
    if (name.startsWith("parameters.")) request.parameters[name.slice(11)] = value;
    else request[name] = value;
  }
  return request;
}

// Input pictures are uploaded as soon as they are chosen; the job holds their ids.
function pictures(most, given = []) {
  let ids = [...given];
  const told = h("span", { class: "note" }, ids.join(", ") || `At most ${most}; then the job is an edit.`);
  const input = h("input", { id: "f-images", type: "file", accept: "image/*", multiple: most > 1, onchange: async () => {
    const chosen = [...input.files].slice(0, most);
    const stored = await attempt(() => Promise.all(chosen.map((file) => send("POST", "v1/uploads", { body: file }))));
    ids = stored ? stored.map((one) => one.id) : [];
    told.textContent = ids.join(", ");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  } });
  return { element: h("div", { class: "field whole" }, h("label", { for: "f-images" }, "images"), input, told), read: () => (ids.length ? ids : undefined) };
}
