"""What checkpoints cost the device: a real worker with them against one without, on the simulated device.

`python -m benchmarks.checkpoint_cost`: both workers get the same jobs in turns. What counts is how long the device
waited while it had work, in the best round of each: whatever else the machine does only adds. Prints JSON; exits
non-zero if that is more than one percent of the device's time, or if no checkpoint was made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omni_jobs import queue
from omni_jobs.redis_server import start_server
from omni_jobs.schemas import Job, Status
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect

#: Jobs that share forwards, steps of each, and milliseconds of one forward: 10 s of device time a round.
JOBS, STEPS, FORWARD_MS = 4, 200, 50
#: Of one checkpoint: Flux at 1024 x 1024 takes 0.5 MB, SDXL less, a clip of Wan at 480p 8 MB.
CHECKPOINT_BYTES = 4 * 2**20
GREATEST_PERCENT = 1.0
MODELS = {"without": 0.0, "with": 5.0}


@dataclass(frozen=True)
class Round:
    """Seconds in which the device worked, and in which it waited although there were jobs."""

    device: float
    waited: float


@contextmanager
def worker(folder: Path, redis_url: str, model: str, checkpoint_seconds: float) -> Iterator[Path]:
    """A worker process that serves this model; its log."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
    ours = {
        "REDIS_URL": redis_url,
        "DATA_DIR": str(folder),
        "STORAGE_URL": str(folder / "objects"),
        "CHECKPOINT_SECONDS": str(checkpoint_seconds),
    }
    source = f"{model}=simulated?launch_ms={FORWARD_MS}&checkpoint_bytes={CHECKPOINT_BYTES}"
    command = [sys.executable, "-m", "workers.app", "--model", source, "--caps", "fixed(8)", "--name", model]
    log = folder / f"{model}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            env={**own, **{f"OMNI_{name}": value for name, value in ours.items()}},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait()


def until_ready(store: JobStore) -> None:
    """Wait until every model has a worker."""
    waiting = set(MODELS)
    while waiting:
        store.wait("default", "nobody", 0, 0.2)
        waiting -= {name for info in store.workers() for name, phase in info.models.items() if phase == "ready"}


def one_round(store: JobStore, model: str) -> Round:
    """A few jobs that run together, from the first one's claim to the last one's end."""
    jobs = [submitted(store, model, number) for number in range(JOBS)]
    ended = [finished(store, job) for job in jobs]
    device = sum(job.sharing.device_seconds for job in ended if job.sharing)
    began = min(job.started_at for job in ended if job.started_at)
    last = max(job.finished_at for job in ended if job.finished_at)
    return Round(round(device, 3), round((last - began).total_seconds() - device, 3))


def submitted(store: JobStore, model: str, number: int) -> Job:
    parameters = {"num_inference_steps": STEPS}
    return queue.submit(store, {"model": model, "prompt": f"fox {number}", "parameters": parameters})[0]


def finished(store: JobStore, job: Job) -> Job:
    """The job once it has ended. Raises RuntimeError if it did not succeed."""
    while not (now := store.get(job.account, job.id)).is_finished:
        store.wait(job.account, job.id, now.sequence, 1.0)
    if now.status is not Status.SUCCEEDED:
        raise RuntimeError(f"a job ended {now.status}: {now.error}")
    return now


def checkpoints_in(log: Path) -> list[dict[str, Any]]:
    """What a worker has logged of stored checkpoints."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("event") == "checkpoint"]


def measured(rounds: int) -> dict[str, Any]:
    """The figures."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        server = opened.enter_context(start_server(folder / "redis"))
        store = connect(Settings(redis_url=server.url))
        opened.callback(store.close)
        logs = {
            model: opened.enter_context(worker(folder, server.url, model, every))
            for model, every in MODELS.items()
        }
        until_ready(store)
        found: dict[str, list[Round]] = {model: [] for model in MODELS}
        for _ in range(rounds):
            for model in MODELS:
                found[model].append(one_round(store, model))
        saved = checkpoints_in(logs["with"])
    waited = {model: min(one.waited for one in made) for model, made in found.items()}
    device = min(one.device for one in found["without"])
    return {
        "seconds": {model: [asdict(one) for one in made] for model, made in found.items()},
        "checkpoint_seconds": MODELS["with"],
        "checkpoints": len(saved),
        "megabytes_each": round(saved[0]["size_bytes"] / 1e6, 1) if saved else 0.0,
        "cost_percent": round(100 * (waited["with"] - waited["without"]) / device, 2),
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    figures = measured(parser.parse_args().rounds)
    print(json.dumps(figures, indent=2))
    return int(not figures["checkpoints"] or figures["cost_percent"] > GREATEST_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
