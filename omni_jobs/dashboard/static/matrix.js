// Who shares which batch: a row for each request, a column for each batch, the newest at the right.
import { svg } from "./dom.js";

const CELL = 14, LABEL = 122, ROW = 16;

export function matrix({ requests, batches, is_running: isRunning }) {
  const width = LABEL + batches.length * CELL + 4, height = requests.length * ROW + 4;
  const label = `${requests.length} requests in ${batches.length} batches; the largest holds ${Math.max(...batches.map((one) => one.length))}.`;
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    requests.map((request, row) => [
      svg("text", { x: 0, y: row * ROW + 12 }, name(request), svg("title", null, request)),
      batches.map((members, column) => {
        const isIn = members.includes(row), isNow = isRunning && column === batches.length - 1;
        return svg("rect", { x: LABEL + column * CELL, y: row * ROW + 2, width: CELL - 2, height: ROW - 3, rx: 2, class: isIn ? (isNow ? "cell now" : "cell in") : "cell" });
      })]));
}

// A request is called "<job>.<attempt>.<output>".
function name(request) {
  const [job, , output] = request.split(".");
  return `…${job.slice(-12)}${output > 0 ? ` #${output}` : ""}`;
}
