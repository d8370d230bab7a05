"""One run of the chaos suite: `python -m tests.chaos.run --seed 7 --minutes 5`. Ends with 1 if a promise broke."""

from __future__ import annotations

import base64
import json
import logging
import secrets
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import structlog

from omni_jobs import queue
from tests.chaos.checker import check, shortest
from tests.chaos.collect import collect, compare, compare_memory, examine, measure, memory
from tests.chaos.fleet import LEASE_SECONDS, MAX_ATTEMPTS, Fleet, Storage, deployed
from tests.chaos.history import Entry, History, clock_of, of_kind, read_history
from tests.chaos.load import ACCOUNT, Load, receiving
from tests.chaos.roles import MODEL
from tests.chaos.storm import PAUSE_SECONDS, Storm

#: After the last fault, so many seconds without any progress mean that something is stuck.
STUCK_SECONDS = 120.0
#: Longest time for one answer to a submit, tries not counted.
SUBMIT_SECONDS = 32.0
WARM_UP_JOBS = 60
SHOWN_VIOLATIONS = 5


@click.command()
@click.option("--seed", type=int, help="Draws the faults and the jobs; a random one if absent.")
@click.option("--minutes", type=float, default=5.0, show_default=True, help="How long faults strike.")
@click.option("--rate", type=float, default=20.0, show_default=True, help="Jobs submitted a second.")
@click.option("--pause", type=float, default=PAUSE_SECONDS, show_default=True, help="Mean seconds between faults.")
@click.option("--batch", type=int, default=1, show_default=True, help="Jobs to one submit.")
@click.option("--storage", type=click.Choice(["s3", "folder"]), default="s3", show_default=True)
@click.option("--workers", type=int, default=2, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep logs and history in this folder.")
@click.option("--record", type=click.Path(path_type=Path), help="Write the result here, as JSON.")
def main(seed: int | None, keep: Path | None, record: Path | None, **options: Any) -> None:
    """Run every fault against a deployment of its own, then check every promise."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    plan = Plan(seed=secrets.randbelow(10**6) if seed is None else seed, **options)
    click.echo(f"seed {plan.seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        counts = rage(folder, plan)
        entries = read_history(folder / "history.jsonl")
    violations = check(entries)
    result = {**plan.told(), **summary(entries, counts), "violations": len(violations)}
    click.echo(json.dumps(result, indent=2))
    for violation in violations[:SHOWN_VIOLATIONS]:
        click.echo(f"\nseed {plan.seed}: {violation.promise}: {violation.job or ''} {violation.message}")
        for entry in shortest(entries, violation):
            click.echo(f"  {json.dumps(entry)}")
    if record is not None:
        record.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(bool(violations))


@dataclass(frozen=True)
class Plan:
    """What a run does; the options of the command line."""

    seed: int
    minutes: float
    rate: float
    pause: float
    batch: int
    storage: Storage
    workers: int

    def told(self) -> dict[str, Any]:
        """The command that runs it again, and what its figures are compared by."""
        words = {"SEED": self.seed, "MINUTES": self.minutes, "RATE": self.rate, "PAUSE": self.pause}
        words |= {"BATCH": self.batch} if self.batch > 1 else {}
        told = " ".join(f"{name}={value:g}" for name, value in words.items())
        told += f" STORAGE={self.storage}" if self.storage != "s3" else ""
        return {"command": f"make chaos {told}", "seed": self.seed, "minutes": self.minutes}


def rage(folder: Path, plan: Plan) -> Counter[str]:
    """The run itself, from start to the last entry of its history; returns how often each fault struck."""
    with receiving() as hook, deployed(folder, hook.url, plan.storage) as fleet:
        hook.secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        fleet.start(plan.workers, signing_secret=hook.secret)
        history = History(folder / "history.jsonl", clock_of(fleet.store.redis.time()))
        fleet.on_death = lambda member, status: history.add("died", member=member, status=status)
        hook.history = history
        facts = {"lease_seconds": LEASE_SECONDS, "max_attempts": MAX_ATTEMPTS}
        history.add("run", seed=plan.seed, submit_seconds=SUBMIT_SECONDS, **facts)
        warm_up(fleet)
        before, memory_before = measure(fleet), memory(fleet)
        load = Load(fleet.api_urls, hook.url, fleet.store, history, plan.seed, plan.rate, plan.batch)
        storm = Storm(fleet, history, plan.seed, plan.pause)
        load.start()
        storm.blow(plan.minutes * 60)
        load.stop()
        settle(fleet)
        jobs = collect(fleet, history)
        compare(fleet, before, history)
        examine(fleet, history)
        compare_memory(fleet, memory_before, jobs, history)
        history.close()
        return storm.counts


def warm_up(fleet: Fleet) -> None:
    """Some jobs without faults, so that pools and caches are filled; they are deleted."""
    body = {"model": MODEL, "prompt": "warm", "parameters": {"num_inference_steps": 2}}
    jobs = [queue.submit(fleet.store, body)[0] for _ in range(WARM_UP_JOBS)]
    for job in jobs:
        while not fleet.store.get(ACCOUNT, job.id).is_finished:
            fleet.store.wait(ACCOUNT, job.id, 2, 1.0)
        fleet.store.delete(ACCOUNT, job.id)


def settle(fleet: Fleet) -> None:
    """Wait until nothing is queued, running or to be delivered, or nothing moves: the checker will say."""
    least, since = None, time.monotonic()
    while time.monotonic() - since < STUCK_SECONDS:
        depths = fleet.store.stats()
        left = sum(depths[name] for name in ("queued", "running", "deliveries"))
        if left == 0:
            return
        if least is None or left < least:
            least, since = left, time.monotonic()
        time.sleep(0.5)


def summary(entries: list[Entry], counts: Counter[str]) -> dict[str, Any]:
    """The figures of a run."""
    acknowledged = {entry["job"] for entry in of_kind(entries, "submitted")}
    records = [entry for entry in of_kind(entries, "record") if entry["job"] in acknowledged]
    ends = Counter(entry["status"] for entry in records)
    attempts = Counter(entry["attempt"] for entry in records)
    takeovers = sum(event["data"].get("reason") == "lease lost" for entry in records for event in entry["events"])
    return {
        "faults": sum(counts.values()),
        "faults_by_name": dict(counts.most_common()),
        "acknowledged": len(acknowledged),
        "ends": dict(ends),
        "jobs_by_attempts": {str(number): attempts[number] for number in sorted(attempts)},
        "takeovers": takeovers,
        "webhooks_received": sum(1 for _ in of_kind(entries, "webhook")),
        "lost": len(acknowledged - {entry["job"] for entry in records}),
        "baselines": {entry["name"]: [entry["after"], entry["allowed"]] for entry in of_kind(entries, "baseline")},
    }


if __name__ == "__main__":
    main()
