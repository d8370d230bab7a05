"""A rank without torch: real processes and the real wire, with a worker that does what its requests say."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from workers.engine import (
    Advance,
    CallInfo,
    DeviceOutOfMemory,
    DiffusionOutput,
    Failed,
    Finished,
    Lane,
    OmniDiffusionRequest,
    Parked,
    StepResult,
)
from workers.engine_process.describe import Description, describe
from workers.executors.simulated import SimulatedPipeline
from workers.executors.worker_proc import Place, WorkerProc
from workers.registry import ModelRow


class Odd(Exception):
    """Cannot be rebuilt from its arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


class LightWorker:
    """Each request makes one call; its prompt says what goes wrong at it, and on which rank."""

    def __init__(self, place: Place) -> None:
        if place.od_config.model == f"broken on {place.rank}":
            raise Odd("does not", "load")
        self.place = place
        self.running: dict[int, OmniDiffusionRequest] = {}
        self.seeds = [place.seed]

    def execute_method(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, method)(*args, **kwargs)

    def facts(self) -> dict[str, Any]:
        held = sorted(request.request_id for request in self.running.values())
        return {"rank": self.place.rank, "process": os.getpid(), "held": held, "seeds": self.seeds}

    def echo(self, value: Any) -> Any:
        return value

    def hang(self, rank: int, seconds: float) -> None:
        if rank == self.place.rank:
            threading.Event().wait(seconds)

    def refuse(self, rank: int) -> None:
        if rank == self.place.rank:
            raise Odd("this rank", "does not want to")

    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        for request in requests:
            self.running[len(self.running)] = request
        return [
            Parked(CallInfo(request.request_id, call_id, Lane.DENOISE, "key"))
            for call_id, request in self.running.items()
            if request in requests
        ]

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        wishes = [str(self.running[call_id].prompt) for call_id in call_ids]
        if "out of memory" in wishes and len(wishes) > 1:
            raise DeviceOutOfMemory("too many")
        if "raise" in wishes:
            raise Odd("a bug", "in the runner")
        if f"die on {self.place.rank}" in wishes:
            os._exit(7)
        if f"hang on {self.place.rank}" in wishes:
            threading.Event().wait()
        return StepResult(tuple(self._advance(call_id) for call_id in call_ids), 0.001)

    def _advance(self, call_id: int) -> Advance:
        request = self.running[call_id]
        if request.prompt == f"park on {self.place.rank}":
            return Parked(CallInfo(request.request_id, 99, Lane.DECODE, "key"))
        del self.running[call_id]
        if request.prompt == f"fail on {self.place.rank}":
            return Failed(request.request_id, ArithmeticError("went wrong"))
        if request.prompt == "draw":
            return Finished(
                request.request_id, DiffusionOutput(SimpleNamespace(images=np.zeros((1, 8, 8, 3), "u1")))
            )
        return Finished(request.request_id, DiffusionOutput(output=f"{request.prompt}, by rank {self.place.rank}"))

    def describe(self, row: ModelRow) -> Description:
        return describe(row, SimulatedPipeline())

    def merge_report(self) -> None:
        """There is nothing to merge."""

    def drop_requests(self, request_ids: Sequence[str]) -> None:
        self.running = {call: held for call, held in self.running.items() if held.request_id not in request_ids}

    def drop_all(self) -> None:
        self.running = {}

    def unload_model(self) -> None:
        """There is none."""

    def seed_random(self, seed: int) -> None:
        self.seeds.append(seed)


if __name__ == "__main__":
    sys.exit(WorkerProc.worker_main(int(sys.argv[1]), LightWorker))
