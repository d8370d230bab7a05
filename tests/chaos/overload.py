"""Ten times what the pool can do, from one account, while another asks for little: `make overload MINUTES=5`.

Shows that queues are bounded (submits are refused with `Retry-After`), that the small account does not wait behind
the flood, that the backlog drains afterwards, and that every process is back at its memory.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import httpx
import structlog

from omni_jobs import queue
from omni_jobs.schemas import Job, Status
from tests.chaos.collect import memory
from tests.chaos.fleet import Fleet, deployed
from tests.chaos.roles import MODEL
from tests.chaos.run import settle, warm_up

FLOOD, CALM = "default", "calm"
#: How a submit is refused while the queue is full.
REFUSED = "429 queue_full"
#: How many times its capacity the pool is asked for; the share of it that the calm account asks for.
FACTOR, CALM_SHARE = 10, 0.1
#: Jobs by which the capacity is measured; how many may be queued: at ten times capacity that is full in seconds.
SAMPLE_JOBS, ADMITTED = 50, 50
#: Clients of the flood, so that a slow answer does not slow it down; the least part of the rate they must reach.
SENDERS, REACHED = 16, 0.8
#: What a process may hold beyond its first measure, in bytes; Redis once its jobs are deleted.
SLACK_BYTES = 64 * 2**20
#: Jobs of the calm account, which goes past the admission, that may be queued beside the admitted.
CALM_SLACK = 50
#: No answer of the API may take longer, in seconds.
PATIENCE_SECONDS = 30.0


@dataclass
class Flood:
    """Clients that heed no `Retry-After` and send at a fixed rate together; what they were answered."""

    url: str
    rate: float
    answers: Counter[str] = field(default_factory=Counter)
    told_to_wait: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, ends: float) -> None:
        """Send until then."""
        with ThreadPoolExecutor(SENDERS) as senders:
            for number in range(SENDERS):
                senders.submit(self._send, number, ends).add_done_callback(lambda one: one.result())

    def _send(self, sender: int, ends: float) -> None:
        pause = SENDERS / self.rate
        next_at = time.monotonic() + pause * sender / SENDERS
        with httpx.Client(base_url=self.url, timeout=2 * PATIENCE_SECONDS, trust_env=False) as http:
            while time.monotonic() < ends:
                time.sleep(max(0.0, next_at - time.monotonic()))
                next_at += pause
                began = time.monotonic()
                answer = http.post("/v1/jobs", json=body(f"flood {sender} {next_at}"))
                self._count(answer, time.monotonic() - began)

    def _count(self, answer: httpx.Response, seconds: float) -> None:
        is_refused = answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        word = f"{answer.status_code} {answer.json()['error_type']}" if is_refused else str(answer.status_code)
        with self._lock:
            self.answers[word] += 1
            self.slowest_seconds = max(self.slowest_seconds, seconds)
            if is_refused:
                self.told_to_wait[answer.headers.get("retry-after", "missing")] += 1


@click.command()
@click.option("--minutes", type=float, default=5.0, show_default=True)
@click.option("--record", type=click.Path(path_type=Path), help="Write the result here, as JSON.")
def main(minutes: float, record: Path | None) -> None:
    """Flood a deployment of its own; ends with 1 if something grew without bound or somebody starved."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="overload-") as folder:
        result = {"command": f"make overload MINUTES={minutes:g}", **overload(Path(folder), minutes)}
    click.echo(json.dumps(result, indent=2))
    if record is not None:
        record.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(bool(result["broken"]))


def overload(folder: Path, minutes: float) -> dict[str, Any]:
    """The run and its figures; `broken` names what did not hold."""
    with deployed(folder, "http://127.0.0.1:1", "folder") as fleet:
        fleet.start(1, max_queued_jobs=ADMITTED)
        warm_up(fleet)
        capacity = measured_capacity(fleet)
        forget_all(fleet)
        before, redis_before = resident(fleet), memory(fleet)
        flood, calm, deepest = pour(fleet, capacity, minutes * 60)
        drained_from = time.monotonic()
        settle(fleet)
        drain_seconds = time.monotonic() - drained_from
        waits = [waited(fleet, job) for job in calm]
        ends = forget_all(fleet)
        after = resident(fleet)
        facts = {
            "capacity_jobs_per_second": round(capacity, 1),
            "asked_for_jobs_per_second": round(flood.answers.total() / (60 * minutes), 1),
            "answers": dict(flood.answers),
            "slowest_answer_seconds": round(flood.slowest_seconds, 2),
            "retry_after": dict(flood.told_to_wait),
            "admitted": ADMITTED,
            "deepest_queue": deepest,
            "drain_seconds": round(drain_seconds, 1),
            "ends": dict(ends),
            "calm_wait_seconds": {"median": round(statistics.median(waits), 2), "longest": round(max(waits), 2)},
            "resident_bytes": {name: [before[name], size] for name, size in after.items()},
            "redis_bytes": [redis_before, memory(fleet)],
        }
    return {**facts, "broken": broken(facts)}


def broken(facts: dict[str, Any]) -> list[str]:
    """What did not hold, in words."""
    grown = [name for name, (first, last) in facts["resident_bytes"].items() if last > first + SLACK_BYTES]
    first, last = facts["redis_bytes"]
    behind = ADMITTED / facts["capacity_jobs_per_second"]
    wanted = REACHED * FACTOR * facts["capacity_jobs_per_second"]
    checks = {
        "the flood was none": facts["asked_for_jobs_per_second"] < wanted,
        "the flood was never refused with queue_full": REFUSED not in facts["answers"],
        "something else was answered": not set(facts["answers"]) <= {"201", REFUSED},
        "an answer took too long": facts["slowest_answer_seconds"] > PATIENCE_SECONDS,
        "a refusal came without Retry-After": "missing" in facts["retry_after"],
        "the queue outgrew its limit": facts["deepest_queue"] > ADMITTED + CALM_SLACK,
        "jobs were lost or failed": set(facts["ends"]) != {Status.SUCCEEDED.value},
        "the calm account waited behind the flood": facts["calm_wait_seconds"]["median"] > behind / 4,
        f"memory grew: {grown}": bool(grown),
        "memory of Redis grew": last > first + SLACK_BYTES,
    }
    return [name for name, is_broken in checks.items() if is_broken]


def body(prompt: str) -> dict[str, Any]:
    # Long enough that one client can ask for ten times as many as a device draws.
    parameters = {"num_inference_steps": 200, "width": 32, "height": 32}
    return {"model": MODEL, "prompt": prompt, "parameters": parameters}


def measured_capacity(fleet: Fleet) -> float:
    """Jobs a second while the queue is never empty."""
    sample = [queue.submit(fleet.store, body(f"sample {number}"))[0] for number in range(SAMPLE_JOBS)]
    settle(fleet)
    ended = [fleet.store.get(job.account, job.id) for job in sample]
    began = min(job.started_at for job in ended if job.started_at)
    seconds = (max(job.finished_at for job in ended if job.finished_at) - began).total_seconds()
    return SAMPLE_JOBS / seconds


def pour(fleet: Fleet, capacity: float, seconds: float) -> tuple[Flood, list[Job], int]:
    """Flood for so long; the calm account's jobs meanwhile, and the deepest queue."""
    ends, next_calm = time.monotonic() + seconds, 0.0
    flood = Flood(fleet.api_urls[0], capacity * FACTOR)
    thread = threading.Thread(target=flood.run, args=(ends,), daemon=True)
    thread.start()
    calm: list[Job] = []
    deepest = 0
    while time.monotonic() < ends:
        if time.monotonic() >= next_calm:
            calm.append(queue.submit(fleet.store, body(f"calm {len(calm)}"), account=CALM, max_queued=None)[0])
            next_calm = time.monotonic() + 1 / (capacity * CALM_SHARE)
        deepest = max(deepest, fleet.store.stats()["queued"])
        time.sleep(0.1)
    thread.join()
    return flood, calm, deepest


def waited(fleet: Fleet, job: Job) -> float:
    """Seconds from a job's submit to its start."""
    ended = fleet.store.get(job.account, job.id)
    assert ended.started_at is not None
    return (ended.started_at - ended.created_at).total_seconds()


def forget_all(fleet: Fleet) -> Counter[str]:
    """Deletes every job, as its time to live would; how they had ended."""
    ends: Counter[str] = Counter()
    for account in (FLOOD, CALM):
        while jobs := fleet.store.list(account, limit=200)[0]:
            for job in jobs:
                ends[job.status.value] += 1
                fleet.store.delete(account, job.id)
    return ends


def resident(fleet: Fleet) -> dict[str, int]:
    """Memory of each process, in bytes."""
    found = {}
    for member in fleet.members.values():
        if member.pid is not None:
            pages = int(Path(f"/proc/{member.pid}/statm").read_text().split()[1])
            found[member.name] = pages * 4096
    return found


if __name__ == "__main__":
    main()
