// Keeps a page current: loads it, again after events (at most once in `every`), and from time to time.
import { listen } from "./feed.js";

export function keep(load, { every = 1000, idle = 5000, events = true } = {}) {
  const ending = new AbortController();
  let last = 0, timer = null, busy = false, asked = false;

  async function run() {
    timer = null;
    if (busy || document.hidden) { asked = true; return; }
    busy = true; asked = false; last = Date.now();
    try { await load(ending.signal); } finally {
      busy = false;
      if (!ending.signal.aborted) plan(asked ? every : idle);
    }
  }
  function plan(delay) {
    const at = Math.max(0, last + delay - Date.now());
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(run, at);
  }
  const soon = () => (busy ? (asked = true) : plan(every));
  const seen = () => { if (!document.hidden && asked) run(); };
  const deaf = events ? listen(soon) : () => {};
  document.addEventListener("visibilitychange", seen);
  run();
  return {
    soon: () => { last = 0; soon(); },
    stop() { ending.abort(); clearTimeout(timer); deaf(); document.removeEventListener("visibilitychange", seen); },
  };
}
