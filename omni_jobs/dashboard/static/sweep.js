// All jobs that match a filter, called off or tried again: counted, confirmed, then done by the server part by part.
import { get, post } from "./api.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { button, confirmed, notify } from "./parts.js";

// What each action changes; without a status in the filter, all that it can.
const ACTIONS = {
  cancel: { path: "v1/cancellations/matching", statuses: ["queued", "running"], verb: "Cancel", done: "canceled" },
  retry: { path: "v1/retries/matching", statuses: ["succeeded", "failed", "canceled", "expired"], verb: "Retry", done: "submitted again" },
};
const MOST_LOOKS = 20;

// The actions that a filter allows: nobody tries everything again by mistake, so a retry needs a status.
export function allowed({ status }) {
  if (!status) return ["cancel"];
  return Object.keys(ACTIONS).filter((name) => ACTIONS[name].statuses.includes(status));
}

export const verbOf = (name) => ACTIONS[name].verb;

export async function sweep(name, filter) {
  const { statuses, verb } = ACTIONS[name];
  const wanted = statuses.filter((status) => !filter.status || status === filter.status);
  const fields = Object.fromEntries(Object.entries(filter).filter(([field, value]) => field !== "status" && value));
  const { number, isAll } = await counted(wanted, fields);
  if (!number && isAll) return notify("No job matches now.");
  const words = [wanted.join(" or "), ...Object.entries(fields).map(([field, value]) => `${field.replace("_", " ")} ${value}`)].join(", ");
  const many = `${isAll ? "" : "at least "}${count(number)} ${number === 1 ? "job" : "jobs"}`;
  const more = name === "retry" ? " Each becomes a new job; these stay as they are." : "";
  if (!(await confirmed(`${verb} ${many} (${words})?${more}`, `${verb} them`))) return undefined;
  return run(name, wanted, fields, number);
}

async function counted(statuses, fields) {
  let number = 0, isAll = true;
  for (const status of statuses) {
    let cursor;
    for (let looks = 0; looks < MOST_LOOKS && (looks === 0 || cursor); looks += 1) {
      const found = await get("v1/job_count", { ...fields, status, cursor });
      number += found.count;
      cursor = found.cursor;
    }
    if (cursor) isAll = false;
  }
  return { number, isAll };
}

async function run(name, statuses, fields, expected) {
  const box = progress(ACTIONS[name].verb, expected);
  const totals = { done: 0, refused: 0 };
  try {
    for (const status of statuses) {
      if (!box.goesOn()) break;
      let cursor;
      do {
        const part = await post(ACTIONS[name].path, { ...fields, status, cursor });
        totals.done += part.done;
        totals.refused += Object.values(part.refused).reduce((sum, number) => sum + number, 0);
        cursor = part.cursor;
        box.tell(totals.done);
      } while (cursor && box.goesOn());
    }
    const left = totals.refused ? `; ${count(totals.refused)} were not, as they had moved on` : "";
    notify(`${count(totals.done)} ${ACTIONS[name].done}${left}.`);
  } catch (error) {
    notify(`${count(totals.done)} ${ACTIONS[name].done}, then: ${error.message}`, "bad");
  } finally {
    box.end();
  }
}

function progress(verb, expected) {
  let open = true;
  const bar = h("progress", { max: Math.max(1, expected), value: 0, "aria-label": `${verb}, so far` });
  const words = h("p", { role: "status" }, "0 so far");
  const box = h("dialog", { "aria-label": `${verb} jobs`, onclose: () => { open = false; box.remove(); } },
    words, bar, h("div", { class: "buttons" }, button("Stop here", () => box.close())));
  document.body.append(box);
  box.showModal();
  return {
    tell(done) { bar.value = done; words.textContent = `${count(done)} so far`; },
    goesOn: () => open,
    end() { if (open) box.close(); },
  };
}
