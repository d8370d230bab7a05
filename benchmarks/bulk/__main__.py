"""Bulk runs against bare loops over the same batches, encoding and writing included; and the memory of long ones.

`python -m benchmarks.bulk local|queue|memory`; prints JSON, exits with 1 if a promise is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bulk.lines import BATCH, batches, jobs, write_manifest
from benchmarks.bulk.timed import run_seconds
from benchmarks.service import MODEL, service
from omni_jobs.bulk.destination import Folder
from omni_jobs.bulk.local import LocalBackend
from omni_jobs.bulk.manifest import Line, line_of
from omni_jobs.bulk.paths import DEFAULT_PATH, PathTemplate
from omni_jobs.bulk.results import Outcome, Result, ended
from omni_jobs.bulk.through_queue import QueueBackend
from omni_jobs.client import AsyncClient
from omni_jobs.schemas import ModelCard
from omni_jobs.settings import Settings

#: Least part of the bare loop's speed.
LEAST_SHARE = 0.95
MOST_PEAK_BYTES = 200 * 2**20
MOST_GROWTH = 1.1
#: Denoising steps of a line on the simulated device.
STEPS = 8


def local(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """`--local` on the packaged model, against a loop over `Omni.map` and one over the plain pipeline.

    One core is the device, in each of them: as beside a GPU, encoding and writing have others.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, and for the child
    from benchmarks.bulk.bare import engine_loop, pipeline_loop

    found = list(jobs(options.lines, "shapes"))
    manifest = write_manifest(folder / "jobs.jsonl", iter(found))
    settings = Settings(data_dir=folder / "data")
    loops = {"bare": engine_loop(), "plain": pipeline_loop()}

    def through_bulk(out: Path) -> float:
        setup = {"out": str(out), "path": DEFAULT_PATH, "models": ["shapes"], "sources": [], "config": None}
        backend = LocalBackend({**setup, "caps": f"fixed({BATCH})"}, settings, out.with_suffix(".log"))
        return run_seconds(manifest, out, backend, warm_lines("shapes"))

    ways = {name: partial(loop, found) for name, loop in loops.items()}
    return compared(options, folder, {**ways, "bulk": through_bulk})


def queue(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Through Redis and a worker on the simulated device."""
    found = list(jobs(options.lines, MODEL, num_inference_steps=STEPS))
    with service(f"simulated?launch_ms={options.launch_ms}&row_ms=0.1", slots=32, cap=BATCH) as running:
        settings = running.settings

        def through_bulk(out: Path) -> float:
            # Lines of each round are others, or the jobs of the round before would be found.
            renamed = ({**job, "negative_prompt": out.name} for job in found)
            manifest = write_manifest(out.with_suffix(".jsonl"), renamed)
            client = AsyncClient(settings.redis_url.get_secret_value(), storage_url=settings.storage_url)
            backend = QueueBackend(client, Folder(out), PathTemplate(), settings, in_flight=64)
            return run_seconds(manifest, out, backend, warm_lines(MODEL, negative_prompt=f"warm {out.name}"))

        bare = partial(bare_simulated, found, launch_seconds=options.launch_ms / 1000)
        return compared(options, folder, {"bare": bare, "bulk": through_bulk})


def warm_lines(model: str, **fields: Any) -> list[Line]:
    """Two batches beside the manifest, so that what is done once is done: merges proved, caches filled."""
    found = jobs(2 * BATCH, model, num_inference_steps=2)
    return [line_of(0, {**job, "seed": 1_000_000 + number, **fields}) for number, job in enumerate(found)]


def bare_simulated(found: list[dict[str, Any]], out: Path, *, launch_seconds: float) -> float:
    """A loop over batches that waits as the simulated device does, then encodes and writes."""
    from PIL import Image

    from workers.executors.simulated import draw

    out.mkdir(parents=True)
    began = time.perf_counter()
    for batch in batches(found):
        # One forward encodes, one a step denoises, one decodes; encoding and decoding cost nothing there.
        for _ in range(STEPS):
            time.sleep(launch_seconds)
        for job in batch:
            picture = Image.fromarray(draw(job["prompt"], job["seed"], 64, 64))
            picture.save(out / f"{job['seed']}.png", compress_level=6)
    return time.perf_counter() - began


def compared(
    options: argparse.Namespace, folder: Path, ways: Mapping[str, Callable[[Path], float]]
) -> dict[str, Any]:
    """All ways in turn, and whether the median of `bulk` keeps up with that of `bare`."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds):
        for name, way in ways.items():
            times[name].append(way(folder / f"{name}-{number}"))
    medians = {name: statistics.median(found) for name, found in times.items()}
    shares = {name: round(seconds / medians["bulk"], 3) for name, seconds in medians.items() if name != "bulk"}
    return {
        "lines": options.lines,
        "seconds": {name: [round(one, 2) for one in found] for name, found in times.items()},
        "share_of_speed": shares,
        "load": round(os.getloadavg()[0], 1),
        "passed": shares["bare"] >= LEAST_SHARE,
    }


class NoBackend:
    """Ends every line at once: what is left is the run itself."""

    in_flight = 64
    trouble = ""
    jobs: list[str] = []

    async def start(self) -> Mapping[str, ModelCard]:
        schema = {"type": "object", "properties": {"num_inference_steps": {"type": "integer"}}}
        return {"sim": ModelCard(name="sim", tasks=("generate",), pipeline="", parameters_schema=schema)}

    async def render(self, line: Line, generation: int) -> Result:
        await asyncio.sleep(0)
        return ended(line, Outcome.SUCCEEDED, generation=generation)

    async def cancel(self) -> None: ...

    async def close(self) -> None: ...


def memory(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Peak memory of runs of a tenth of the lines and of all of them, each in a process of its own."""
    peaks, seconds = [], []
    for count in (options.lines // 10, options.lines):
        command = [sys.executable, "-m", "benchmarks.bulk", "one-run", "--lines", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path.cwd())
        told = json.loads(done.stdout)
        peaks.append(told["peak_bytes"])
        seconds.append(told["seconds"])
    growth = peaks[1] / peaks[0]
    return {
        "lines": [options.lines // 10, options.lines],
        "peak_mib": [round(peak / 2**20, 1) for peak in peaks],
        "seconds": seconds,
        "growth": round(growth, 3),
        "load": round(os.getloadavg()[0], 1),
        "passed": peaks[1] <= MOST_PEAK_BYTES and growth <= MOST_GROWTH,
    }


def one_run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run of a made-up manifest that ends every line at once, twice: the second skips them all."""
    import resource

    template = folder / "jobs.toml"
    template.write_text(
        "[job]\nmodel = 'sim'\nprompt = 'a fox number {n}'\nparameters = {num_inference_steps = 4}\n"
        f"[matrix]\nn = {{from = 1, to = {options.lines}}}\n"
    )
    seconds = [round(run_seconds(template, folder / "out", NoBackend()), 1) for _ in range(2)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"peak_bytes": peak, "seconds": seconds, "passed": True}


MODES = {"local": (local, 384), "queue": (queue, 512), "memory": (memory, 1_000_000), "one-run": (one_run, 1000)}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--lines", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--launch-ms", type=float, default=200.0, help="of a forward of eight, simulated")
    options = parser.parse_args()
    run, lines = MODES[options.mode]
    options.lines = options.lines or lines
    with tempfile.TemporaryDirectory() as folder:
        found = run(options, Path(folder))
    print(json.dumps(found, indent=1))
    sys.exit(not found["passed"])


if __name__ == "__main__":
    main()
