// One form field from one JSON schema. `read` gives the value, or undefined where nothing was said.
import { h } from "./dom.js";

const typeOf = (schema) => [schema.type, ...(schema.anyOf ?? []).map((one) => one.type)].flat().find((one) => one && one !== "null");

export function control(name, schema, given, usual = schema.default) {
  const id = `f-${name}`;
  const type = schema.enum ? "choice" : typeOf(schema);
  const [input, read] = (KINDS[type] ?? KINDS.json)(id, schema, given, usual);
  const note = [schema.description, limits(schema)].filter(Boolean).join(" ");
  const label = h("label", { for: id }, name), words = note && h("span", { class: "note" }, note);
  const element = type === "boolean" ? h("div", { class: "field tick" }, input, h("span", null, label, " ", words))
    : h("div", { class: `field ${schema.whole ? "whole" : ""}` }, label, input, words);
  return { element, read };
}

function limits(schema) {
  const one = [schema, ...(schema.anyOf ?? [])].find((part) => part.minimum !== undefined || part.maximum !== undefined) ?? {};
  const step = one.multipleOf && one.multipleOf !== 1 ? `, a multiple of ${one.multipleOf}` : "";
  if (one.minimum !== undefined && one.maximum !== undefined) return `${one.minimum} to ${one.maximum}${step}.`;
  if (one.maximum !== undefined) return `At most ${one.maximum}${step}.`;
  return one.minimum ? `At least ${one.minimum}${step}.` : "";
}

const shown = (value) => (value === undefined || value === null ? "" : String(value));

function number(id, schema, given, usual) {
  const one = [schema, ...(schema.anyOf ?? [])].find((part) => ["integer", "number"].includes(part.type)) ?? schema;
  const input = h("input", {
    id, type: "number", value: shown(given), placeholder: shown(usual), min: one.minimum, max: one.maximum,
    step: one.multipleOf ?? (one.type === "integer" ? 1 : "any"),
  });
  return [input, () => (input.value === "" ? undefined : Number(input.value))];
}

function text(id, schema, given, usual) {
  const input = h(schema.rows ? "textarea" : "input", { id, rows: schema.rows, value: shown(given), placeholder: shown(usual), required: schema.required });
  return [input, () => (input.value === "" && !schema.required ? undefined : input.value)];
}

const KINDS = {
  integer: number,
  number,
  string: text,
  boolean(id, schema, given, usual) {
    const input = h("input", { id, type: "checkbox", checked: given ?? usual ?? false });
    return [input, () => (input.checked === (usual ?? false) ? undefined : input.checked)];
  },
  choice(id, schema, given, usual) {
    const input = h("select", { id }, h("option", { value: "" }, usual === undefined ? "" : `${usual} (default)`),
      schema.enum.map((one) => h("option", { value: JSON.stringify(one), selected: one === given }, String(one))));
    return [input, () => (input.value === "" ? undefined : JSON.parse(input.value))];
  },
  json(id, schema, given, usual) {
    const input = h("input", { id, value: given === undefined ? "" : JSON.stringify(given), placeholder: usual === undefined ? "JSON" : JSON.stringify(usual) });
    const read = () => {
      if (input.value === "") return undefined;
      try { return JSON.parse(input.value); } catch { return input.value; }
    };
    return [input, read];
  },
};
