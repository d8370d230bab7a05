// Talks to the API this page came from. The key stays in sessionStorage and goes as a header: there are no cookies.
const BASE = new URL("..", location.href.split("#")[0]);
const KEY = "omni-key";

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.code = problem.error_type ?? "unknown";
    this.field = problem.error?.param;
  }
}

export const address = (path) => new URL(path.replace(/^\//, ""), BASE);
export const key = () => sessionStorage.getItem(KEY);
export const setKey = (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY));

let onUnauthorized = () => {};
export const whenUnauthorized = (listener) => { onUnauthorized = listener; };

const headers = (more = {}) => (key() ? { authorization: `Bearer ${key()}`, ...more } : more);

export async function send(method, path, { body, query, signal, type } = {}) {
  const url = address(path);
  for (const [name, value] of Object.entries(query ?? {})) if (value) url.searchParams.set(name, value);
  const raw = body instanceof Blob;
  const content = body === undefined ? {} : { "content-type": raw ? type ?? body.type : "application/json" };
  let answer;
  try {
    answer = await fetch(url, {
      method, signal, headers: headers(content), body: body === undefined || raw ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: "The service does not answer.", error_type: "unreachable" });
  }
  const json = (answer.headers.get("content-type") ?? "").includes("json") ? await answer.json() : null;
  if (answer.ok) return json;
  if (answer.status === 401) onUnauthorized();
  throw new ApiError(answer.status, json ?? {});
}

export const get = (path, query, signal) => send("GET", path, { query, signal });
export const post = (path, body) => send("POST", path, { body });

// A picture that only the key opens. It never changes, so the browser keeps it.
export async function picture(path) {
  const answer = await fetch(address(path), { headers: headers() });
  if (!answer.ok) throw new ApiError(answer.status, {});
  return answer.blob();
}

// Server-sent events over fetch, because EventSource cannot send a key. Calls back until `signal` aborts or it ends.
export async function stream(path, onEvent, signal) {
  const answer = await fetch(address(path), { headers: headers(), signal });
  if (answer.status === 204) return;
  if (!answer.ok) throw new ApiError(answer.status, {});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) emit(part, onEvent);
  }
}

function emit(part, onEvent) {
  const fields = {};
  for (const line of part.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
  }
  if (fields.data) onEvent(fields.event, JSON.parse(fields.data), fields.id);
}
