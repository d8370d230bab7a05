"""A device with simulated cost: a real backend that needs no weights and no torch.

It serves capacity planning, demonstrations and every test that is about jobs rather than pictures. A forward of a
batch of n takes `max(launch_ms, n * row_ms)`, waited without holding the interpreter's lock; the picture depends
on prompt and seed alone. Faults can be asked for, as a real device has them.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from omni_jobs.errors import ExecutionFailed, Misconfigured
from omni_jobs.schemas import nearest
from workers.engine.calls import Advance, CallInfo, Checkpoint, Failed, Finished, Lane, Parked, StepResult
from workers.engine.executor import DeviceLost, DeviceOutOfMemory, DiffusionExecutor, NotSaved
from workers.engine.request import DiffusionOutput, OmniDiffusionRequest
from workers.engine_process.describe import Description, describe
from workers.executors.simulated_checkpoint import SimulatedCheckpoint, fingerprint_of, resumed_at
from workers.registry import ModelRow

DEFAULTS = {"width": 64, "height": 64, "num_inference_steps": 4, "guidance_scale": 1.0}


@dataclass(frozen=True)
class Costs:
    """Times of one forward by lane, and the faults of the device.

    A prompt that contains `fail_on` raises, `hang_on` never returns, `crash_on` kills the process, and `lose_on`
    loses the device, each at the second denoise call. More than `memory_rows` calls in one forward are out of
    memory. `weight_bytes` count against the memory budget; a checkpoint is at least `checkpoint_bytes` large.
    """

    load_ms: float = 0.0
    launch_ms: float = 1.0
    row_ms: float = 0.1
    encode_ms: float = 0.0
    decode_ms: float = 0.0
    memory_rows: int = 1 << 30
    weight_bytes: int = 0
    checkpoint_bytes: int = 0
    fail_on: str | None = None
    hang_on: str | None = None
    crash_on: str | None = None
    lose_on: str | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Costs:
        known = [item.name for item in fields(cls)]
        for name in options:
            if name not in known:
                raise Misconfigured(
                    f"`options.{name}`: the simulated device has no such option.",
                    field=f"options.{name}",
                    value=options[name],
                    remedy=nearest(name, known),
                )
        return cls(**options)

    def seconds(self, lane: Lane, batch: int) -> float:
        """Time of one forward of `batch` calls."""
        fixed = {Lane.ENCODE: self.encode_ms, Lane.DECODE: self.decode_ms}
        return fixed.get(lane, max(self.launch_ms, batch * self.row_ms)) / 1000


@dataclass
class Run:
    """A request's place in its pretended loop: one encode, `steps` denoise calls, one decode."""

    request: OmniDiffusionRequest
    steps: int
    step: int = 0
    lane: Lane = Lane.ENCODE

    @property
    def shape(self) -> tuple[int, int]:
        arguments = DEFAULTS | _arguments(self.request)
        return int(arguments["height"]), int(arguments["width"])


class SimulatedPipeline:
    """A device with simulated cost: the picture depends on prompt and seed alone."""

    def __call__(
        self,
        prompt: str,
        negative_prompt: str | None = None,
        image: list[Any] | None = None,
        width: int = 64,
        height: int = 64,
        num_inference_steps: int = 4,
        guidance_scale: float = 1.0,
    ) -> None:
        """Never called; its signature is the simulated model's card."""


class SimulatedExecutor(DiffusionExecutor):
    """See the module's docstring. `executor_options` are the fields of `Costs`."""

    def _init_executor(self) -> None:
        self._costs = Costs.from_options(self.od_config.executor_options)
        self._runs: dict[str, Run] = {}
        self._calls: dict[int, str] = {}
        self._next_call = 0
        time.sleep(self._costs.load_ms / 1000)

    @property
    def identity(self) -> str:
        return f"simulated {self._costs}"

    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        return [self._begin(request) for request in requests]

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        batch = [self._calls[call_id] for call_id in call_ids]
        if len(batch) > self._costs.memory_rows:
            raise DeviceOutOfMemory(f"{len(batch)} rows do not fit in {self._costs.memory_rows}.")
        began = time.perf_counter()
        time.sleep(self._costs.seconds(self._runs[batch[0]].lane, len(batch)))
        seconds = time.perf_counter() - began
        for call_id in call_ids:
            del self._calls[call_id]
        return StepResult(tuple(self._advance(request_id) for request_id in batch), seconds)

    def checkpoint(self, request_id: str) -> Checkpoint:
        run = self._runs[request_id]
        if not run.step:
            raise NotSaved("no denoiser call has been made yet")
        return SimulatedCheckpoint(run.step, fingerprint_of(run.request), bytes(self._costs.checkpoint_bytes))

    def drop_requests(self, request_ids: Sequence[str]) -> None:
        for request_id in request_ids:
            self._runs.pop(request_id, None)
        self._calls = {call: owner for call, owner in self._calls.items() if owner in self._runs}

    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        unique_reply_rank: int | None = None,
    ) -> Any:
        reply = getattr(self, method)(*args, **(kwargs or {}))
        return reply if unique_reply_rank is not None else [reply]

    def describe(self, row: ModelRow) -> Description:
        """Asked by `collective_rpc`, as of a worker."""
        return describe(row, SimulatedPipeline(), self._costs.weight_bytes)

    def sleep(self) -> None:
        """Pretended weights leave the device."""

    def wake_up(self) -> None:
        """They come back, which takes as long as loading them."""
        time.sleep(self._costs.load_ms / 1000)

    def proven_rules(self) -> list[dict[str, Any]]:
        """There is nothing to prove."""
        return []

    def merge_report(self) -> None:
        """There is nothing to merge."""

    def check_health(self) -> None:
        """A simulated device is always well."""

    def shutdown(self) -> None:
        self._runs.clear()
        self._calls.clear()

    def _begin(self, request: OmniDiffusionRequest) -> Parked:
        run = Run(request, int((DEFAULTS | _arguments(request))["num_inference_steps"]))
        self._runs[request.request_id] = run
        resumed = resumed_at(request) if request.checkpoint is not None else None
        if resumed is not None and resumed.refused is None:
            run.step, run.lane = resumed.step, Lane.DENOISE if resumed.step < run.steps else Lane.DECODE
        return replace(self._park(request.request_id), resumed=resumed)

    def _park(self, request_id: str) -> Parked:
        run = self._runs[request_id]
        self._next_call += 1
        self._calls[self._next_call] = request_id
        key = (run.lane, *(run.shape if run.lane is not Lane.ENCODE else ()), *self._alone(run.request))
        label = "" if run.request.deterministic else "-".join(map(str, key))
        return Parked(CallInfo(request_id, self._next_call, run.lane, key, label=label), run.step, run.steps)

    def _alone(self, request: OmniDiffusionRequest) -> tuple[str, ...]:
        return (request.request_id,) if request.deterministic else ()

    def _advance(self, request_id: str) -> Advance:
        run = self._runs[request_id]
        if run.lane is Lane.DECODE:
            del self._runs[request_id]
            picture = draw(run.request.prompt or "", run.request.sampling_params.seed or 0, *run.shape)
            return Finished(request_id, DiffusionOutput(SimpleNamespace(images=picture[None])))
        if run.lane is Lane.DENOISE:
            if failure := self._fault(run):
                del self._runs[request_id]
                return failure
            run.step += 1
        run.lane = Lane.DENOISE if run.step < run.steps else Lane.DECODE
        return self._park(request_id)

    def _fault(self, run: Run) -> Failed | None:
        prompt, costs = run.request.prompt or "", self._costs
        if run.step + 1 != min(2, run.steps):
            return None
        if costs.crash_on and costs.crash_on in prompt:
            os.kill(os.getpid(), signal.SIGKILL)
        if costs.lose_on and costs.lose_on in prompt:
            raise DeviceLost("the simulated device failed as asked")
        if costs.hang_on and costs.hang_on in prompt:
            threading.Event().wait()
        if costs.fail_on and costs.fail_on in prompt:
            return Failed(run.request.request_id, ExecutionFailed("The simulated pipeline raised as asked."))
        return None


def _arguments(request: OmniDiffusionRequest) -> dict[str, Any]:
    return request.sampling_params.to_arguments()


def draw(prompt: str, seed: int, height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A small deterministic picture, (height, width, 3) uint8: bands in colours taken from prompt and seed."""
    digest = hashlib.sha256(f"{seed}:{prompt}".encode()).digest()
    colours = np.frombuffer(digest[:24], np.uint8).reshape(8, 3)
    bands = (np.arange(height) * 8 // max(height, 1)).astype(np.intp)
    shade = np.linspace(0.5, 1.0, width, dtype=np.float32)[None, :, None]
    return (colours[bands][:, None, :].astype(np.float32) * shade).astype(np.uint8)
