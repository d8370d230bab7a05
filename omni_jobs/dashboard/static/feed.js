// One stream of the account's events for whoever is listening; it comes back by itself when it breaks.
import { stream } from "./api.js";

const listeners = new Set();
const AGAIN_MS = 3000;
let running = null;
let state = "connecting";
let onState = () => {};

export const whenStateChanges = (listener) => { onState = listener; onState(state); };

export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function start() {
  stop();
  running = new AbortController();
  follow(running.signal);
}

export function stop() {
  running?.abort();
  running = null;
}

async function follow(signal) {
  let seen = null;
  while (!signal.aborted) {
    try {
      await stream(seen ? `v1/events?after=${seen}` : "v1/events", (event, data, id) => {
        tell("live");
        seen = id ?? seen;
        for (const listener of listeners) listener(event, data);
      }, signal);
    } catch (error) {
      if (signal.aborted) return;
      tell("offline");
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function tell(next) {
  if (next === state) return;
  state = next;
  onState(state);
}
