"""The device side: owns the loaded pipeline, the fibers, batch keys, merging and proofs.

An executor gives it requests and batches of calls; it answers with how each request advanced. Everything here runs
on one thread, the engine's.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from omni_jobs.errors import ExecutionFailed
from workers.acceleration.hook_caches import HookCaches
from workers.adapters import Adapters
from workers.engine.calls import Advance, CallInfo, Failed, Finished, StepResult
from workers.engine.config import LORA_CACHE_BYTES
from workers.engine.executor import DeviceLost
from workers.engine.request import DiffusionOutput, OmniDiffusionRequest
from workers.stepping.ambient import Ambient, ProcessorOverlay
from workers.stepping.book import Served
from workers.stepping.cache_policies import CachePolicy
from workers.stepping.checkpoint import Keeper, Refused, Snapshot
from workers.stepping.clone import PipelineCloner
from workers.stepping.contracts import run_of
from workers.stepping.encode_cache import EncodeCache
from workers.stepping.faults import device_faults, is_device_lost, is_out_of_memory
from workers.stepping.fiber import RUN_HERE, ComponentCall, Fiber, Raised, Returned, RunHere, Stop
from workers.stepping.forwards import Forwards, Outcome, SideEffects
from workers.stepping.labels import Labels
from workers.stepping.lockstep import ALONE, Lockstep
from workers.stepping.meter import meter_for
from workers.stepping.parking import pending_call
from workers.stepping.plan import PendingCall
from workers.stepping.preview import Previewer
from workers.stepping.proof import Prover
from workers.stepping.room import Extent, does_not_fit, extent_of
from workers.stepping.running import RunnerStats, Running
from workers.stepping.step_cache import StepCache


class DiffusionModelRunner:
    """Runs requests of one pipeline as fibers. `arguments_of` makes a request's pipeline call arguments.

    With `cache_policy` each request has a step cache of its own. `lora_cache_bytes` bounds the adapters that stay
    loaded unused. `lockstep` keeps it together with the runners of other ranks, if the pipeline spans devices.
    """

    def __init__(
        self,
        pipeline: Any,
        arguments_of: Callable[[OmniDiffusionRequest], dict[str, Any]],
        cache_policy: CachePolicy | None = None,
        merge_rules: Sequence[Mapping[str, Any]] = (),
        lora_cache_bytes: int = LORA_CACHE_BYTES,
        lockstep: Lockstep = ALONE,
    ) -> None:
        self.pipeline = pipeline
        self._cache_policy = cache_policy
        self.stats = RunnerStats()
        self._arguments_of = arguments_of
        self._cloner = PipelineCloner(pipeline)
        self._overlay = ProcessorOverlay(list(self._cloner.modules.values()))
        self.adapters = Adapters(pipeline, lora_cache_bytes)
        self.hook_caches = HookCaches(pipeline, self._cloner.modules)
        self._forwards = Forwards(self._overlay, lockstep)
        self.prover = Prover(self._forwards, given=merge_rules)
        self.encodings = EncodeCache(lockstep)
        self._previewer = Previewer(self._cloner.modules)
        self._running: dict[str, Running] = {}
        self._pending: dict[int, PendingCall] = {}
        self._call_ids = itertools.count(1)
        self._keeper = Keeper(pipeline, self._cloner, self._overlay, lockstep)
        self.device = torch.device(str(getattr(pipeline, "_execution_device", "cpu")))
        self._meter = meter_for(self.device)
        self._labels = Labels()
        self._largest: Extent | None = None

    @property
    def request_ids(self) -> tuple[str, ...]:
        """The requests in flight."""
        return tuple(self._running)

    def merge_report(self) -> dict[str, Any]:
        """What is known of merging this model's calls, as JSON: for `models --verbose` and `/metrics`."""
        return self.stats.report(self.prover)

    def add(self, request: OmniDiffusionRequest) -> Advance:
        """Start a request and run it to its first call, or to where its checkpoint was taken."""
        return self._begin(request)

    def _begin(self, request: OmniDiffusionRequest, refused: str | None = None) -> Advance:
        if not self._running and self._overlay.look_again():  # nothing is known of these processors
            self.prover, self.encodings = Prover(self._forwards), EncodeCache(self._forwards.lockstep)
        cache = StepCache(self._cache_policy, self._forwards.lockstep) if self._cache_policy else None
        running = Running(request, self.adapters.off, cache=cache)
        try:
            arguments = self._arguments_of(request)
            running.extent = extent_of(arguments)
            clone = self._cloner.clone(running.on_step)
            if request.preview:
                running.watch = self._previewer.watch(clone, request, arguments)
            running.adapters = self.adapters.take(request.sampling_params.loras, arguments)
        except Exception as error:  # noqa: BLE001 - the request's own input; it fails alone
            next(self._call_ids)
            return Failed(request.request_id, error)
        # A call without a generator draws from the global one: beside others it gets a stream of its own.
        fork = arguments.get("generator") is None and bool(self._running)
        self._running[request.request_id] = running
        run = run_of(clone, request, arguments)
        running.fiber = Fiber(run, self._overlay, Ambient.capture(fork, running.adapters))
        self._keeper.follow(running, clone, arguments, refused)
        return self._advance(running, running.fiber.resume())

    def checkpoint(self, request_id: str) -> Snapshot:
        """Save a request at the call at which it is parked; raises NotSaved."""
        return self._keeper.take(self._running[request_id])

    def execute(self, call_ids: Sequence[int]) -> StepResult:
        """Serve these calls together as far as proof allows, and run each request to its next call.

        Raises:
            DeviceOutOfMemory: nothing advanced.
            DeviceLost: nothing can be advanced any more.
        """
        batch = [self._pending[call_id] for call_id in call_ids]
        originals, repeats = self.encodings.without_repeats(batch)
        started, mark = time.perf_counter(), self._meter.start()
        with device_faults():
            # Group again: what was learned since the calls parked may have tightened their keys.
            groups = self._forwards.lockstep.partition(originals, lambda call: call.key(call.level))
            served = [part for group in groups for part in self.prover.serve(group)]
        shared = len(batch) == 1 or (len(served) == 1 and served[0].shared)
        if len(served) == 1 and served[0].outputs is not None:
            self._meter.stop(mark, batch[0].key(batch[0].level), len(served[0].calls))
        seconds = time.perf_counter() - started
        for call_id in call_ids:
            del self._pending[call_id]
        served += [Served((call,), None, shared=False) for call in repeats]
        advances: list[Advance] = []
        for part in served:
            self.stats.count(part, self.prover)
            for index, call in enumerate(part.calls):
                answer = RUN_HERE if part.outputs is None else part.outputs[index]
                started = time.perf_counter()
                advances.append(self._answer(call, answer, part.shared))
                seconds += time.perf_counter() - started if part.outputs is None else 0.0
        if len(batch) == 1 and originals and served[0].outputs is None:
            self._meter.stop(mark, batch[0].key(batch[0].level), 1)
        timings = self._meter.taken()
        self.stats.device_seconds += sum(timing.seconds for timing in timings)
        return StepResult(tuple(advances), seconds, shared, timings)

    def drop(self, request_id: str) -> None:
        """Unwind a request's frames and free what it holds. Unknown ids are ignored."""
        running = self._running.get(request_id)
        if running is None:
            return
        self._pending.pop(running.call_id or 0, None)
        if running.fiber is not None:
            running.fiber.kill()
        self._end(running)

    def close(self) -> None:
        """Drop every request and give the pipeline back as it was."""
        for request_id in self.request_ids:
            self.drop(request_id)
        self.adapters.close()

    def _end(self, running: Running) -> None:
        del self._running[running.request.request_id]
        self.adapters.give_back(running.adapters)
        if not self._running:
            self.adapters.rest()
            self.hook_caches.reset()

    def _answer(self, call: PendingCall, answer: Any, shared: bool) -> Advance:
        """Resume a fiber with its call's output; encodings come from memory, or are remembered on the way."""
        running, key = self._running[call.request_id], self.encodings.key(call)
        if isinstance(answer, Outcome):
            call.fiber.ambient.keep(answer.traces)
            answer = answer.output
        if running.cache is not None:
            answer = running.cache.watched(call, answer, shared)
        if key is None:
            if isinstance(answer, RunHere):
                self._forwards.lockstep.meet("run here")
            return self._advance(running, call.fiber.resume(answer))
        if answer is RUN_HERE:
            remembered = self.encodings.get(key, alone=call.solo is not None)
            if remembered is not None:
                self.stats.encode_hits += 1
                return self._advance(running, call.fiber.resume(remembered))
            try:
                answer = self._forwards.alone(call).output
            except SideEffects as effect:
                return self._advance(running, call.fiber.resume(effect.outcome.output))
            except Exception as error:  # noqa: BLE001 - raised where the pipeline called, as it would have been
                return self._advance(running, call.fiber.throw(error))
        self.encodings.put(key, answer, alone=not shared)
        return self._advance(running, call.fiber.resume(answer))

    def _advance(self, running: Running, stop: Stop) -> Advance:
        # Each takes a number, whatever comes of it: a request that fails on one rank leaves all ranks' equal.
        request_id, call_id = running.request.request_id, next(self._call_ids)
        match self._past_cached_calls(running, stop, call_id):
            case PendingCall() as pending:
                key, label = pending.key(pending.level), self._labels.of(pending)
                info = CallInfo(request_id, pending.call_id, pending.lane, key, label=label)
                return running.parked(info)
            case Returned(value):
                self._end(running)
                if running.fiber is not None and not self._running:
                    running.fiber.ambient.random.install()
                output = value if isinstance(value, DiffusionOutput) else DiffusionOutput(output=value)
                if running.extent and (self._largest is None or running.extent.pixels > self._largest.pixels):
                    self._largest = running.extent
                output.metrics |= running.cache.report() if running.cache else {"calls_saved": 0}
                if output.error is not None:
                    return Failed(request_id, ExecutionFailed(output.error))
                return Finished(request_id, output)
            case Raised(Refused() as refused):
                return self._begin_again(running, refused)
            case Raised(error):
                self._end(running)
                if is_out_of_memory(error):
                    error = does_not_fit(error, running.extent, self._meter.held_bytes, self._largest)
                elif is_device_lost(error):
                    raise DeviceLost(str(error)) from error
                return Failed(request_id, error)

    def _begin_again(self, running: Running, refused: Refused) -> Advance:
        """The run did not come to where it was saved: the request starts anew, without its checkpoint."""
        assert running.track is not None
        self.drop(running.request.request_id)
        running.track.rewind()
        return self._begin(replace(running.request, resumable=True, checkpoint=None), str(refused))

    def _past_cached_calls(self, running: Running, stop: Stop, call_id: int) -> PendingCall | Returned | Raised:
        """The call at which the request parks, or its end; on the way its step cache answers what it can."""
        while isinstance(stop, ComponentCall):
            pending = self._park(running, stop, call_id)
            known = running.cache.answer(pending, running.step, running.steps) if running.cache else None
            if known is None:
                return pending
            del self._pending[pending.call_id]
            self.stats.calls_saved += 1
            stop = pending.fiber.resume(known)
        return stop

    def _park(self, running: Running, call: ComponentCall, call_id: int) -> PendingCall:
        pending = pending_call(running, call, call_id, self._overlay)
        pending.level = self.prover.level(pending)
        self._pending[pending.call_id] = pending
        running.call_id = pending.call_id
        return pending
