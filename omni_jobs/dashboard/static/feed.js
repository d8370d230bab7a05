// One stream of the account's events for whoever is listening; it comes back by itself when it breaks.
import { stream } from "./api.js";

const listeners = new Set();
const AGAIN_MS = 3000;
// A stream that ends in good order is followed by the next one, but never in a loop without rest.
const REST_MS = 300;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
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
      await pause(REST_MS);
    } catch (error) {
      if (signal.aborted) return;
      tell("offline");
      await pause(AGAIN_MS);
    }
  }
}

function tell(next) {
  if (next === state) return;
  state = next;
  onState(state);
}
