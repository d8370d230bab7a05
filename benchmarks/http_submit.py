"""Submits over HTTP while a worker runs the jobs: none lost, none doubled, and how fast the API answers meanwhile.

`python -m benchmarks.http_submit --jobs 10000` starts Redis, API and a simulated worker on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections import Counter
from typing import Any

import httpx

from benchmarks.service import MODEL, service
from omni_jobs.schemas import EventType
from omni_jobs.store import JobStore, connect

CONNECTIONS = 32


async def flood(url: str, count: int, resend: float) -> tuple[list[str], list[float], list[float]]:
    """Submits `count` jobs by key, a part `resend` of them twice. Ids, seconds of submits, seconds of reads."""
    gate = asyncio.Semaphore(CONNECTIONS)
    is_over = asyncio.Event()
    submits: list[float] = []
    reads: list[float] = []
    limits = httpx.Limits(max_connections=CONNECTIONS + 1)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False) as http:

        async def submit(number: int) -> str:
            body = {"model": MODEL, "prompt": f"fox {number}", "parameters": {"num_inference_steps": 2}}
            found: set[str] = set()
            for _ in range(2 if random.random() < resend else 1):
                async with gate:
                    began = time.perf_counter()
                    answer = await http.post("/v1/jobs", json=body, headers={"idempotency-key": f"b-{number}"})
                    submits.append(time.perf_counter() - began)
                answer.raise_for_status()
                found.add(answer.json()["id"])
            (only,) = found
            return only

        async def read() -> None:
            while not is_over.is_set():
                began = time.perf_counter()
                (await http.get("/v1/jobs", params={"limit": 1})).raise_for_status()
                reads.append(time.perf_counter() - began)
                await asyncio.sleep(0.02)

        reader = asyncio.create_task(read())
        ids = list(await asyncio.gather(*(submit(number) for number in range(count))))
        is_over.set()
        await reader
    return ids, submits, reads


def verdict(store: JobStore, ids: list[str]) -> dict[str, Any]:
    """Waits for all jobs, then counts what became of them and how often each succeeded."""
    while store.stats()["queued"] + store.stats()["running"]:
        time.sleep(0.5)
    endings: Counter[str] = Counter()
    for job_id in ids:
        types = [event.type for event in store.events("default", job_id)]
        endings["doubled"] += types.count(EventType.SUCCEEDED) > 1
        endings["succeeded"] += EventType.SUCCEEDED in types
    kept = sum(store.counts("default").values())
    return {"submitted": len(ids), "distinct": len(set(ids)), "kept": kept, **endings}


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50_ms": round(cuts[49] * 1000, 1), "p99_ms": round(cuts[98] * 1000, 1)}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--resend", type=float, default=0.1, help="part of the submits that is sent twice")
    options = parser.parse_args()
    with service() as running:
        began = time.monotonic()
        ids, submits, reads = asyncio.run(flood(running.url, options.jobs, options.resend))
        took = time.monotonic() - began
        store = connect(running.settings)
        found = verdict(store, ids)
        store.close()
    rate = {"submits_per_second": round(len(submits) / took, 1)}
    print(json.dumps({**found, **rate, "submit": milliseconds(submits), "read": milliseconds(reads)}))


if __name__ == "__main__":
    main()
