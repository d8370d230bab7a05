"""A batch of OpenAI's Batch API at its full size: validated, run and told, every line once, and what that costs.

`python -m benchmarks.openai_batch --lines 50000` starts Redis, API and a simulated worker on this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from benchmarks.service import MODEL, service

ENDPOINT = "/v1/images/generations"
#: How often the batch is looked at.
LOOK_SECONDS = 0.5


def write_lines(path: Path, count: int) -> None:
    """A file of `count` requests."""
    with path.open("w") as file:
        for number in range(count):
            body = {"model": MODEL, "prompt": f"fox {number}", "seed": number, "num_inference_steps": 2}
            row = {"custom_id": f"row-{number}", "method": "POST", "url": ENDPOINT, "body": body}
            file.write(json.dumps(row) + "\n")


def run_batch(http: httpx.Client, lines: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """The batch when it has ended, and seconds until it was uploaded, validated, run and told."""
    began = time.monotonic()
    marks: dict[str, float] = {}

    def mark(name: str) -> None:
        marks.setdefault(name, round(time.monotonic() - began, 1))

    with lines.open("rb") as content:
        file = http.post("/v1/files", files={"file": content}, data={"purpose": "batch"}).raise_for_status().json()
    mark("uploaded_s")
    body = {"input_file_id": file["id"], "endpoint": ENDPOINT, "completion_window": "24h"}
    batch = http.post("/v1/batches", json=body).raise_for_status().json()
    names = {"in_progress": "validated_s", "finalizing": "run_s", "completed": "told_s"}
    while batch["status"] not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(LOOK_SECONDS)
        batch = http.get(f"/v1/batches/{batch['id']}").raise_for_status().json()
        if batch["status"] in names:
            mark(names[batch["status"]])
    return batch, marks


def told_ids(http: httpx.Client, file_id: str | None) -> Counter[str]:
    """How often each custom_id stands in a file of results."""
    found: Counter[str] = Counter()
    if file_id is not None:
        with http.stream("GET", f"/v1/files/{file_id}/content") as answer:
            found.update(json.loads(row)["custom_id"] for row in answer.iter_lines())
    return found


def memory_mib(pid: int, field: str) -> float:
    """A figure of a process's memory: `VmRSS` is now, `VmHWM` the most that it was."""
    text = Path(f"/proc/{pid}/status").read_text()
    kib = next(line.split()[1] for line in text.splitlines() if line.startswith(f"{field}:"))
    return round(int(kib) / 1024, 1)


def main() -> None:
    """Prints one JSON object; the exit status is 1 if a line was lost or told twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=50_000)
    options = parser.parse_args()
    with service() as running, httpx.Client(base_url=running.url, timeout=120) as http:
        lines = running.folder / "lines.jsonl"
        write_lines(lines, options.lines)
        before = memory_mib(running.api_pid, "VmRSS")
        batch, marks = run_batch(http, lines)
        told = told_ids(http, batch["output_file_id"])
        memory = {"api_mib_before": before, "api_mib_peak": memory_mib(running.api_pid, "VmHWM")}
    once = sum(count == 1 for count in told.values())
    figures = {"lines": options.lines, "status": batch["status"], "told_once": once, "told": told.total()}
    print(json.dumps({**figures, **marks, **memory, "failures": batch["failures"]}))
    sys.exit(0 if once == len(told) == options.lines else 1)


if __name__ == "__main__":
    main()
