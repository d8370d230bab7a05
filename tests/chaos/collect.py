"""Reads the truth when all is over, past every proxy: how each job ended, its objects, and what is left behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from omni_jobs.schemas import Artifact, Job
from omni_jobs.upkeep.damage import find_damage
from storage.errors import NotFound
from tests.chaos.fleet import Fleet
from tests.chaos.history import History
from tests.chaos.load import ACCOUNT
from workers.executors.simulated import draw

PAGE = 200
#: What a process may hold beyond what it held when the storm began: connections of pools that grew.
SLACK_FILES, SLACK_THREADS = 48, 24
#: What Redis may hold beyond its first measure, once all jobs are deleted: Celery's messages to killed workers.
SLACK_BYTES = 24 * 2**20
#: Keys that hold something only while a job is in flight.
TRANSIENT = (
    "leases", "delayed", "deadlines", "outbox",
    "ready:*", "waiting:*", "alone:*", "turns:*", "progress:*", "preview:*",
)  # fmt: skip


def collect(fleet: Fleet, history: History) -> list[Job]:
    """Writes a `record` for each job in the store and a `delivery` for each webhook that is left."""
    jobs = list(_all_jobs(fleet))
    with ThreadPoolExecutor(4) as pool:
        for begin in range(0, len(jobs), PAGE):
            page = jobs[begin : begin + PAGE]
            lines = fleet.store.redis.pipeline(transaction=False)
            for job in page:
                lines.lrange(fleet.store.keys("events", ACCOUNT, job.id), 0, -1)
            shown = pool.map(lambda job: [_artifact(fleet, job, one) for one in job.artifacts], page)
            for job, events, artifacts in zip(page, lines.execute(), shown, strict=True):
                history.add("record", **_record(job, events), artifacts=artifacts)
    for member in fleet.store.redis.zrange(fleet.store.keys("outbox"), 0, -1):
        owner = fleet.store.redis.hget(fleet.store.keys("delivery", member.decode()), "job_id") or b""
        history.add("delivery", id=member.decode(), job=owner.decode())
    return jobs


def measure(fleet: Fleet) -> dict[str, int]:
    """Open files and threads of each process, and files in the workers' spools."""
    found = {}
    for member in fleet.members.values():
        if (pid := member.pid) is not None:
            found[f"open files of {member.name}"] = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            found[f"threads of {member.name}"] = len(list(Path(f"/proc/{pid}/task").iterdir()))
    spooled = [path for path in (fleet.folder / "spool").rglob("*") if path.is_file() and path.name != "lock"]
    return found | {"files in spools": len(spooled)}


def compare(fleet: Fleet, before: dict[str, int], history: History) -> None:
    """Writes a `baseline` for each resource."""
    slack = {"open": SLACK_FILES, "threads": SLACK_THREADS}
    for name, after in measure(fleet).items():
        history.add("baseline", name=name, after=after, allowed=before[name] + slack.get(name.split()[0], 0))
    for pattern in TRANSIENT:
        held = len(list(fleet.store.redis.scan_iter(f"{fleet.store.keys.prefix}:{pattern}", count=1000)))
        history.add("baseline", name=f"keys like {pattern}", after=held, allowed=0)
    queued = int(fleet.store.redis.get(fleet.store.keys("queued_count")) or 0)
    history.add("baseline", name="count of queued jobs", after=abs(queued), allowed=0)


def examine(fleet: Fleet, history: History) -> None:
    """Writes what `fsck` finds; objects were read already."""
    for one in find_damage(fleet.store, None):
        history.add("damage", code=one.code, where=one.where, message=one.message)


def compare_memory(fleet: Fleet, before: int, jobs: list[Job], history: History) -> None:
    """Deletes all jobs, as their time to live would, and compares Redis' memory."""
    for job in jobs:
        if job.is_finished:
            fleet.store.delete(ACCOUNT, job.id)
    history.add("baseline", name="memory of Redis", after=memory(fleet), allowed=before + SLACK_BYTES)


def memory(fleet: Fleet) -> int:
    return int(fleet.store.redis.info("memory")["used_memory"])


def _all_jobs(fleet: Fleet) -> Iterator[Job]:
    cursor = None
    while True:
        page, cursor = fleet.store.list(ACCOUNT, cursor=cursor, limit=PAGE)
        yield from page
        if cursor is None:
            return


def _record(job: Job, lines: list[bytes]) -> dict[str, Any]:
    events = []
    for number, line in enumerate(lines, 1):
        at, type, data = line.decode().split(" ", 2)
        events.append({"sequence": number, "type": type, "at": int(at), "data": json.loads(data)})
    return {
        "job": job.id,
        "key": job.request.metadata.get("key", job.id),
        "status": job.status.value,
        "attempt": job.attempt,
        "code": job.error.code if job.error else None,
        "message": job.error.message if job.error else "",
        "events": events,
        "wants": list(job.request.webhook.events) if job.request.webhook else [],
    }


def _artifact(fleet: Fleet, job: Job, artifact: Artifact) -> dict[str, Any]:
    try:
        content = fleet.objects.get(artifact.key)
    except NotFound:
        content = None
    stored = None if content is None else hashlib.sha256(content).hexdigest()
    is_right = content is not None and _is_right(content, job, artifact)
    return {"key": artifact.key, "sha256": artifact.sha256, "stored": stored, "is_right": is_right}


def _is_right(content: bytes, job: Job, artifact: Artifact) -> bool:
    with Image.open(BytesIO(content)) as picture:
        shown = np.asarray(picture.convert("RGB"))
    expected = draw(job.request.prompt, artifact.seed, shown.shape[0], shown.shape[1])
    return bool(np.array_equal(shown, expected))
