// Numbers and times as people read them.
export function seconds(value) {
  if (value === undefined || value === null) return "–";
  if (value < 0.001) return "0 s";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value < 86400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86400)} d ${Math.floor((value % 86400) / 3600)} h`;
}

export const between = (from, to) => (new Date(to) - new Date(from)) / 1000;
export const since = (moment) => between(moment, Date.now());
export const count = (value) => (value ?? 0).toLocaleString("en");
export const percent = (value) => `${Math.round(value)} %`;

export function ago(moment) {
  const passed = since(moment);
  return passed < 1 ? "now" : `${passed < 60 ? Math.floor(passed) + " s" : seconds(passed).split(" ").slice(0, 2).join(" ")} ago`;
}

export function clock(moment) {
  return new Date(moment).toLocaleString("en-GB", {
    month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
}

export function bytes(value) {
  if (value === undefined || value === null) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  while (value >= 1024 && place < units.length - 1) { value /= 1024; place += 1; }
  return `${place && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[place]}`;
}

export const shortId = (id) => (id.length > 16 ? `${id.slice(0, 4)}…${id.slice(-8)}` : id);
