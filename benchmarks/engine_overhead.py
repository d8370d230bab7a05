"""What the engine adds between forwards: `python -m benchmarks.engine_overhead --requests 8`.

The thread's own time minus forwards minus the pipelines' Python, per call of any component, the least of three
rounds, and the host synchronisations that our frames cause. What a request costs once is in it. Prints JSON; exits
non-zero when a call costs more than 0.3 ms and 1 % of its forward, or when we synchronise.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.zoo import EQUAL_PROMPTS, case
from workers import Omni
from workers.stepping.ambient import Ambient
from workers.stepping.fiber import ComponentCall

#: Operators that make the host wait for a device.
SYNCHRONISING = {f"aten.{name}.default" for name in ("_local_scalar_dense", "equal", "nonzero", "item")}
LIMIT_MS, LIMIT_SHARE = 0.3, 0.01
ROUNDS = 3


class Synchronisations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts synchronising operators by whose frame called them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ours: Counter[str] = Counter()
        self.theirs: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func) in SYNCHRONISING:
            frames = [frame for frame in traceback.extract_stack() if "/torch/" not in frame.filename]
            caller = next(frame for frame in reversed(frames) if "benchmarks" not in frame.filename)
            where = f"{caller.filename.rsplit('site-packages/', 1)[-1]}:{caller.lineno}"
            (self.ours if "/workers/" in caller.filename else self.theirs)[where] += 1
        return func(*args, **(kwargs or {}))


class Inside:
    """Time spent in fibers and forwards, as opposed to in the engine, and the calls at which fibers parked."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0

    def __enter__(self) -> Inside:
        self._original = Ambient.run
        inside = self

        def run(ambient: Ambient, overlay: Any, switch: Callable[[], Any]) -> Any:
            def timed() -> Any:
                started = time.thread_time()
                try:
                    stop = switch()
                finally:
                    inside.seconds += time.thread_time() - started
                inside.calls += isinstance(stop, ComponentCall)
                return stop

            return inside._original(ambient, overlay, timed)

        Ambient.run = run  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_exc: object) -> None:
        Ambient.run = self._original  # type: ignore[method-assign]


def measure(name: str, requests: int, steps: int) -> dict[str, Any]:
    """The figures of one pipeline of the zoo, after its merge plans have been proved."""
    member = case(name)
    pipeline = member.build()
    omni = Omni(pipeline=pipeline, caps=f"fixed({requests})")
    forward_seconds = time_forwards(pipeline)

    def calls() -> list[dict[str, Any]]:
        return [
            member.inputs(seed=index, prompt=EQUAL_PROMPTS[index % len(EQUAL_PROMPTS)], steps=steps)
            for index in range(requests)
        ]

    omni.map(calls())
    gc.collect()
    gc.freeze()  # as an engine process does
    # What else the machine does only adds: the least of the rounds is the engine's.
    rounds = [timed(omni, calls(), forward_seconds) for _ in range(ROUNDS)]
    least = min(rounds, key=lambda one: one.overhead_ms)
    with Synchronisations() as synchronisations:
        omni.map(calls())
    overhead_ms, forward_ms = least.overhead_ms / least.calls, least.forward_ms / least.denoise_calls
    fast = overhead_ms <= max(LIMIT_MS, LIMIT_SHARE * forward_ms)
    return {
        "pipeline": name,
        "requests": requests,
        "calls": least.calls,
        "denoise_calls": least.denoise_calls,
        "overhead_ms_per_call": round(overhead_ms, 4),
        "overhead_ms_per_denoise_call": round(least.overhead_ms / least.denoise_calls, 4),
        "forward_ms_per_denoise_call": round(forward_ms, 4),
        "synchronisations_ours": dict(synchronisations.ours),
        "synchronisations_of_the_pipeline": dict(synchronisations.theirs),
        "passed": fast and not synchronisations.ours,
    }


class Round(NamedTuple):
    """Milliseconds of the engine and of the denoiser's forwards, and how many calls there were."""

    overhead_ms: float
    forward_ms: float
    calls: int
    denoise_calls: int


def timed(omni: Omni, calls: list[dict[str, Any]], forward_seconds: list[float]) -> Round:
    """Run the calls once."""
    before, forward_seconds[0] = omni.stats.calls, 0.0
    started = time.thread_time()
    with Inside() as inside:
        omni.map(calls)
    wall = time.thread_time() - started
    overhead_ms, forward_ms = (wall - inside.seconds) * 1e3, forward_seconds[0] * 1e3
    return Round(overhead_ms, forward_ms, inside.calls, omni.stats.calls - before)


def time_forwards(pipeline: Any) -> list[float]:
    """A cell that adds up the seconds of the denoiser's forwards."""
    total, started = [0.0], [0.0]
    module = getattr(pipeline, "transformer", None) or pipeline.unet

    def before(*_args: Any) -> None:
        started[0] = time.thread_time()

    def after(*_args: Any) -> None:
        total[0] += time.thread_time() - started[0]

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--pipelines", nargs="*", default=["sdxl", "flux", "qwen-image"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = [measure(name, options.requests, options.steps) for name in options.pipelines]
    print(json.dumps(results, indent=1))
    return 0 if all(result["passed"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
