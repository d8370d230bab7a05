"""Our batcher against three others on the same arrivals and simulated device: `python -m benchmarks.policy`.

Time is virtual, so the figures depend on policies alone: FIFO one by one, static batches (the rule of
celery-batches: so many or so long), and step batching in strict FIFO with a head-of-line block. Prints JSON; exits
non-zero if ours is below 0.98 of the best throughput at saturation, less than 15 points above static goodput, or
slower at low load.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workers.engine import Batcher, CallInfo, Lane, Timing
from workers.engine.caps import MeasuredCaps

#: Seconds of one forward: the launch cost, and the cost of a row once the device is busy. After published steps of
#: Qwen-Image on an H200 (512: .167 alone, .425 for eight; 1024: saturated at one).
SHAPES = {"512": (0.16, 0.053), "768": (0.17, 0.12), "1024": (0.243, 0.24)}
ENCODE_SECONDS, DECODE_SECONDS = 0.03, 0.05
STATIC_BATCH, STATIC_WAIT_SECONDS = 8, 2.0
GREATEST_BATCH = 8
JOBS = 400
#: A job is served well within so many times what it takes alone.
SLO_MULTIPLE = 3.0


@dataclass
class Job:
    arrival: float
    shape: str
    steps: int
    left: int = field(init=False)
    end: float = 0.0

    def __post_init__(self) -> None:
        self.left = self.steps

    @property
    def alone_seconds(self) -> float:
        return ENCODE_SECONDS + self.steps * forward_seconds(self.shape, 1) + DECODE_SECONDS


Policy = Callable[[Sequence[Job]], None]


def forward_seconds(shape: str, rows: int) -> float:
    launch, row = SHAPES[shape]
    return max(launch, row * rows)


def one_by_one(jobs: Sequence[Job]) -> None:
    now = 0.0
    for job in jobs:
        now = max(now, job.arrival) + job.alone_seconds
        job.end = now


def static_batches(jobs: Sequence[Job]) -> None:
    """Collect up to eight or for two seconds, then one pipeline call per group of equal shape and steps."""
    now, waiting = 0.0, deque(jobs)
    while waiting:
        opened = max(now, waiting[0].arrival)
        closed = opened + STATIC_WAIT_SECONDS
        batch = [job for job in list(waiting)[:STATIC_BATCH] if job.arrival <= closed]
        now = max(opened, batch[-1].arrival) if len(batch) == STATIC_BATCH else closed
        groups: dict[tuple[str, int], list[Job]] = {}
        for job in batch:
            waiting.popleft()
            groups.setdefault((job.shape, job.steps), []).append(job)
        for (shape, steps), group in groups.items():
            now += ENCODE_SECONDS + steps * forward_seconds(shape, len(group)) + DECODE_SECONDS * len(group)
            for job in group:
                job.end = now


def strict_fifo(jobs: Sequence[Job]) -> None:
    """Step batching that admits the head of the queue only while its shape is the running one."""
    now, waiting, running = 0.0, deque(jobs), list[Job]()
    while waiting or running:
        if not running:
            now = max(now, waiting[0].arrival)
        while waiting and waiting[0].arrival <= now and len(running) < GREATEST_BATCH:
            if running and waiting[0].shape != running[0].shape:
                break
            running.append(waiting.popleft())
            now += ENCODE_SECONDS
        now += forward_seconds(running[0].shape, len(running))
        for job in running:
            job.left -= 1
            if job.left == 0:
                now += DECODE_SECONDS
                job.end = now
        running = [job for job in running if job.left]


def ours(jobs: Sequence[Job]) -> None:
    """The shipped batcher with measured caps; it sees calls and their keys, as in the engine."""
    caps = MeasuredCaps()
    batcher, now, waiting = Batcher(caps), 0.0, deque(jobs)
    by_call: dict[int, Job] = {}

    def add(job: Job, lane: Lane) -> None:
        call = CallInfo(str(id(job)), len(by_call), lane, (lane, job.shape))
        by_call[call.call_id] = job
        batcher.add(call, deadline=job.arrival + SLO_MULTIPLE * job.alone_seconds)

    while waiting or len(batcher):
        if not len(batcher):
            now = max(now, waiting[0].arrival)
        while waiting and waiting[0].arrival <= now:
            add(waiting.popleft(), Lane.ENCODE)
        batch = batcher.next_batch()
        lane, group = batch[0].lane, [by_call[call.call_id] for call in batch]
        seconds = seconds_of(lane, group)
        caps.observe(Timing(batch[0].batch_key, len(group), seconds))
        now += seconds
        for job in group:
            settle(job, lane, now, add)


def seconds_of(lane: Lane, group: Sequence[Job]) -> float:
    if lane is Lane.DENOISE:
        return forward_seconds(group[0].shape, len(group))
    return ENCODE_SECONDS if lane is Lane.ENCODE else DECODE_SECONDS * len(group)


def settle(job: Job, lane: Lane, now: float, add: Callable[[Job, Lane], None]) -> None:
    if lane is Lane.DECODE:
        job.end = now
        return
    job.left -= lane is Lane.DENOISE
    add(job, Lane.DENOISE if job.left else Lane.DECODE)


POLICIES: dict[str, Policy] = {
    "one by one": one_by_one,
    "static batches": static_batches,
    "strict fifo": strict_fifo,
    "ours": ours,
}


def trace(load: float | None, seed: int) -> list[Job]:
    """Poisson arrivals of mixed shapes and steps at `load` of what one by one can serve; None: all at once."""
    dice = random.Random(seed)
    jobs = [Job(0.0, dice.choice(list(SHAPES)), dice.choice([4, 8, 20, 28])) for _ in range(JOBS)]
    if load is None:
        return jobs
    mean_gap = statistics.mean(job.alone_seconds for job in jobs) / load
    now = 0.0
    for job in jobs:
        now += dice.expovariate(1 / mean_gap)
        job.arrival = now
    return jobs


def measure(policy: Policy, load: float | None) -> dict[str, float]:
    """Means over three recorded traces."""
    throughput, goodput, waits = [], [], []
    for seed in range(3):
        jobs = trace(load, seed)
        policy(jobs)
        assert all(job.end >= job.arrival for job in jobs)
        throughput.append(len(jobs) / max(job.end for job in jobs))
        inside = [job.end - job.arrival <= SLO_MULTIPLE * job.alone_seconds for job in jobs]
        goodput.append(100 * statistics.mean(inside))
        waits.append(statistics.median(job.end - job.arrival for job in jobs))
    return {
        "jobs_per_second": round(statistics.mean(throughput), 3),
        "goodput_percent": round(statistics.mean(goodput), 1),
        "p50_seconds": round(statistics.mean(waits), 2),
    }


def main() -> int:
    loads: dict[str, float | None] = {"saturation": None, "load 0.95": 0.95, "load 0.3": 0.3}
    results = {
        name: {label: measure(policy, load) for label, load in loads.items()} for name, policy in POLICIES.items()
    }
    mine = results["ours"]
    best = max(result["saturation"]["jobs_per_second"] for result in results.values())
    static_goodput = results["static batches"]["load 0.95"]["goodput_percent"]
    quickest = min(result["load 0.3"]["p50_seconds"] for result in results.values())
    verdict = {
        "throughput_ratio_to_best": round(mine["saturation"]["jobs_per_second"] / best, 3),
        "goodput_points_over_static": round(mine["load 0.95"]["goodput_percent"] - static_goodput, 1),
        "p50_ratio_at_low_load": round(mine["load 0.3"]["p50_seconds"] / quickest, 3),
    }
    passed = (
        verdict["throughput_ratio_to_best"] >= 0.98
        and verdict["goodput_points_over_static"] >= 15
        and verdict["p50_ratio_at_low_load"] <= 1.02
    )
    print(json.dumps({"results": results, "verdict": verdict, "passed": passed}, indent=1))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
