// The call that submits a job, as text for other clients.
import { address, key } from "./api.js";

const DEFAULTS = { task: "generate", num_outputs: 1, priority: 5, ttl_seconds: 604800 };
const LEFT_OUT = new Set(["idempotency_key", "deadline", "not_before"]);

// What was said beyond the defaults: a job's record names every field.
export function spoken(request) {
  const output = Object.fromEntries(Object.entries(request.output ?? {}).filter(([name, value]) =>
    !(name === "quality" && value === 90) && !(name === "embed_metadata" && value === true)));
  const kept = Object.entries({ ...request, output }).filter(([name, value]) =>
    !LEFT_OUT.has(name) && value !== undefined && value !== null && value !== false && value !== DEFAULTS[name] && !(typeof value === "object" && Object.keys(value).length === 0));
  return Object.fromEntries(kept);
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function asCurl(request) {
  const lines = [`curl ${address("v1/jobs")}`, "  -H 'content-type: application/json'"];
  if (key()) lines.push('  -H "authorization: Bearer $OMNI_API_KEY"');
  lines.push(`  -d ${quoted(JSON.stringify(spoken(request)))}`);
  return lines.join(" \\\n");
}

export function python(value, indent = "") {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map((one) => python(one, indent)).join(", ")}]`;
  return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one, indent)}`).join(", ")}}`;
}

export function asPython(request) {
  const fields = Object.entries(spoken(request)).map(([name, value]) => `    ${name}=${python(value)},`);
  const base = address("").href.replace(/\/$/, "");
  const more = key() ? `, api_key=os.environ["OMNI_API_KEY"]` : "";
  return [...(key() ? ["import os", ""] : []), "from omni_jobs.client import Client", "", `client = Client(${JSON.stringify(base)}${more})`,
    "job = client.submit(", ...fields, ")", "done = client.wait(job)"].join("\n");
}
