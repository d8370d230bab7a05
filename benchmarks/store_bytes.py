"""How much memory one job costs in Redis, waiting and finished, and how fast the store takes and gives jobs.

`python -m benchmarks.store_bytes [--jobs 2000]` starts a server of its own and prints JSON. Bytes are the growth
of `used_memory` per job over everything: record, events, indexes and the account's feed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from omni_jobs.names import artifact_id
from omni_jobs.redis_server import find_binary, start_server
from omni_jobs.schemas import Artifact, JobRequest, Sharing, Status
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect

PROMPT = (
    "A lighthouse on a basalt cliff at dusk, long exposure, waves drawn out into mist, a warm lamp against a cold "
    "sky, fine grain, wide angle, photographed from a boat; in the foreground a row of wet wooden posts, gulls "
    "far away, no people, muted colours with one accent of orange."
)


def typical_request(number: int) -> JobRequest:
    """A job as users send it: a long prompt, five parameters, a key, two tags, some metadata."""
    return JobRequest.model_validate(
        {
            "model": "qwen-image",
            "prompt": f"{PROMPT} {number}",
            "negative_prompt": "blurry, text, watermark",
            "parameters": {
                "width": 1328,
                "height": 1328,
                "num_inference_steps": 50,
                "true_cfg_scale": 4.0,
                "max_sequence_length": 512,
            },
            "seed": 2**52 + number,
            "idempotency_key": f"order-{number:08d}",
            "metadata": {"order": f"{number:08d}", "customer": "north"},
            "tags": ["campaign-7", "draft"],
        }
    )


def finish(store: JobStore, lease_seconds: float = 600.0) -> None:
    """Claims the next job and commits two artifacts."""
    claim = store.claim_next("worker-0123456789ab", ["qwen-image"], lease_seconds=lease_seconds)
    assert claim is not None
    artifacts = [
        Artifact(
            id=artifact_id(claim.job_id, index),
            index=index,
            key=f"jobs/default/{claim.job_id}/{claim.attempt}/{index}.png",
            content_type="image/png",
            size_bytes=2_345_678,
            sha256=f"{index}" * 64,
            seed=claim.seed + index,
            width=1328,
            height=1328,
        )
        for index in range(2)
    ]
    sharing = Sharing(calls=100, shared_calls=97, forwards=21.375, max_batch=8, device_seconds=17.25)
    timings = {"queue": 3.25, "encode": 0.5, "denoise": 15.75, "decode": 1.0, "upload": 0.375}
    store.move(
        claim.account,
        claim.job_id,
        Status.SUCCEEDED,
        attempt=claim.attempt,
        artifacts=artifacts,
        sharing=sharing,
        timings=timings,
    )


def measure(store: JobStore, jobs: int) -> dict[str, float]:
    """Fills an empty store with jobs, then finishes them all."""
    empty = _used_bytes(store)
    started = time.perf_counter()
    for number in range(jobs):
        request = typical_request(number)
        store.create(
            request, account="default", seed=request.seed or 0, fingerprint="0" * 32, shape="generate:1328x1328"
        )
    created = time.perf_counter()
    queued_bytes = (_used_bytes(store) - empty) / jobs
    finishing = time.perf_counter()
    for _ in range(jobs):
        finish(store)
    finished = time.perf_counter()
    # Nonces of claims are kept for half a minute; they are no part of a job.
    nonces = list(store.redis.scan_iter(store.keys("claimed", "*"), count=1000))
    store.redis.delete(*nonces)
    return {
        "jobs": jobs,
        "queued_bytes_per_job": round(queued_bytes, 1),
        "finished_bytes_per_job": round((_used_bytes(store) - empty) / jobs, 1),
        "creates_per_second": round(jobs / (created - started), 1),
        "claims_and_commits_per_second": round(jobs / (finished - finishing), 1),
    }


def _used_bytes(store: JobStore) -> int:
    used: int = store.redis.info("memory")["used_memory"]
    return used


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder, start_server(Path(folder)) as server:
        store = connect(Settings(redis_url=server.url))
        finish_one_to_load_scripts(store)
        figures = measure(store, jobs)
        print(json.dumps({"server": find_binary().name, **figures}, indent=2))
        store.close()


def finish_one_to_load_scripts(store: JobStore) -> None:
    """The scripts' own memory is the server's, not a job's."""
    store.create(typical_request(-1), account="default", seed=1, fingerprint="0" * 32)
    finish(store)


if __name__ == "__main__":
    main()
