"""Time per step by batch size, ours against the bare pipeline's own batch: `python -m benchmarks.gpu`.

Random weights in bfloat16 at 512 and 1024, under ten minutes on one large GPU; skipped without CUDA. Writes one
JSON and one plot. Exits non-zero if sharing is slower than one by one at 1024, or brings less than three times the
throughput of batch 1 at 512 for few-step models. `--small` tries the benchmark itself on a CPU and judges nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.architectures import ARCHITECTURES, Architecture
from benchmarks.gpu.plot import plot
from workers import Omni

BATCHES = (1, 2, 4, 8)
SIDES = (512, 1024)
STEPS = 8
NEVER_SLOWER, FEW_STEP_GAIN = 0.98, 3.0


class Bench:
    """One architecture at one size on one device."""

    def __init__(self, architecture: Architecture, side: int, device: str, small: bool, compiled: bool) -> None:
        self.architecture, self.side, self.device, self.small = architecture, side, device, small
        self.dtype = torch.float32 if small else torch.bfloat16
        self.pipeline = architecture.build(device, self.dtype, small)
        if compiled:
            getattr(self.pipeline, architecture.component).compile_repeated_blocks()

    def calls(self, batch: int) -> list[dict[str, Any]]:
        """Arguments of so many requests."""
        given = (self.side, STEPS, self.device, self.dtype, self.small)
        return [self.architecture.inputs(seed, *given) for seed in range(batch)]

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def seconds(self, run: Any) -> float:
        """The faster of two runs after one for warming up."""
        times = []
        for _ in range(3):
            self.synchronize()
            started = time.perf_counter()
            run()
            self.synchronize()
            times.append(time.perf_counter() - started)
        return min(times[1:])

    def bare(self) -> float:
        """Seconds of one step of the pipeline's own loop, one request."""
        return self.seconds(lambda: self.pipeline(**self.calls(1)[0])) / STEPS

    def ours(self, batch: int) -> dict[str, float]:
        """Seconds of one step that this many requests share, and the part of the time that the device works."""
        omni = Omni(pipeline=self.pipeline, caps=f"fixed({batch})")
        seconds = self.seconds(lambda: omni.map(self.calls(batch)))
        before, started = omni.stats.device_seconds, time.perf_counter()
        omni.map(self.calls(batch))
        self.synchronize()
        wall = time.perf_counter() - started
        return {
            "batch": batch,
            "step_seconds": seconds / STEPS,
            "busy": (omni.stats.device_seconds - before) / wall,
        }


def measure(bench: Bench, batches: Sequence[int]) -> dict[str, Any]:
    """The row of one architecture and size."""
    bare = bench.bare()
    rows: list[dict[str, Any]] = []
    for batch in batches:
        try:
            rows.append(bench.ours(batch))
        except torch.OutOfMemoryError:
            break
    gain = max(row["batch"] * bare / row["step_seconds"] for row in rows)
    return {
        "model": bench.architecture.name,
        "side": bench.side,
        "few_steps": bench.architecture.few_steps,
        "bare_step_seconds": bare,
        "ours": rows,
        "gain_over_one_by_one": gain,
    }


def misses(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What falls short of what is promised, in words."""
    found = []
    for row in rows:
        wanted = FEW_STEP_GAIN if row["side"] <= min(SIDES) and row["few_steps"] else NEVER_SLOWER
        if row["gain_over_one_by_one"] < wanted:
            found.append(f"{row['model']} at {row['side']}: {row['gain_over_one_by_one']:.2f}x, not {wanted}x")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="the plot goes beside it, as SVG")
    parser.add_argument("--models", nargs="*", default=[row.name for row in ARCHITECTURES])
    parser.add_argument("--compiled", action="store_true", help="ours and the bare loop, both compiled")
    parser.add_argument("--small", action="store_true", help="tiny denoisers on a CPU; proves nothing about speed")
    options = parser.parse_args()
    if not (torch.cuda.is_available() or options.small):
        print("Not measured: this machine has no CUDA device. (`--small` tries the benchmark itself.)")
        return 0
    device = "cpu" if options.small else "cuda"
    rows = []
    for architecture in [row for row in ARCHITECTURES if row.name in options.models]:
        for side in SIDES[: 1 if options.small else None]:
            bench = Bench(architecture, side, device, options.small, options.compiled)
            rows.append(measure(bench, BATCHES[: 2 if options.small else None]))
            print(json.dumps(rows[-1]), flush=True)
            del bench
            gc.collect()
            torch.cuda.empty_cache()
    name = "cpu" if options.small else torch.cuda.get_device_name()
    shortfalls = [] if options.small else misses(rows)
    report = {"device": name, "torch": torch.__version__, "compiled": options.compiled, "rows": rows}
    options.out.write_text(json.dumps(report | {"misses": shortfalls}, indent=1) + "\n")
    options.out.with_suffix(".svg").write_text(plot(rows, name))
    print("\n".join(shortfalls) or f"{options.out} and its plot are written")
    return 1 if shortfalls else 0


if __name__ == "__main__":
    sys.exit(main())
