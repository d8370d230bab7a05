"""The engine's loop: take in, plan, execute, settle. One thread calls `advance`; `submit` and `cancel` are safe
from any. Used by the engine process of a worker, by `Omni` and by local bulk rendering.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from omni_jobs.errors import DeadlineExceeded, OutOfMemory
from workers.engine.batcher import Batcher, Cap
from workers.engine.calls import Advance, CallInfo, Failed, Finished, Parked, StepResult, Timing
from workers.engine.caps import MeasuredCaps, cap_policy
from workers.engine.caps_file import CapsFile
from workers.engine.config import OmniDiffusionConfig
from workers.engine.executor import DeviceOutOfMemory, DiffusionExecutor
from workers.engine.in_flight import HandBack, InFlight, output_of
from workers.engine.request import (
    DiffusionOutput,
    EngineEvent,
    OmniDiffusionRequest,
    RequestCanceled,
    RequestFailed,
    RequestFinished,
    RequestPreview,
    RequestProgress,
    RequestResumed,
)
from workers.engine.saving import Saving


class DiffusionEngine:
    """Owns one executor and advances all its requests together, call by call, in shared batches.

    `on_event` is called from the engine's thread. `on_batch`, if given, is told the request ids that are about to
    run pipeline code or a forward (the flight record), and an empty tuple once they have.
    """

    def __init__(
        self,
        od_config: OmniDiffusionConfig,
        on_event: Callable[[EngineEvent], None] | None = None,
        on_batch: Callable[[tuple[str, ...]], None] | None = None,
        cap: Cap | None = None,
    ) -> None:
        self.od_config = od_config
        cap_policy(od_config.caps)  # a bad one is refused before anything loads
        self.executor = DiffusionExecutor.get_class(od_config)(od_config)
        path = od_config.caps_file
        self._caps_file = CapsFile(Path(path), self.executor.identity) if path else None
        self._caps = cap_policy(od_config.caps, self._caps_file.read() if self._caps_file else None)
        self._batcher = Batcher(cap or self._caps, od_config.offline)
        self._on_event = on_event or (lambda _event: None)
        self._on_batch = on_batch or (lambda _ids: None)
        self._saving = Saving(od_config.checkpoint_seconds, self.executor, lambda event: self._on_event(event))
        self._inbox: SimpleQueue[OmniDiffusionRequest | HandBack | str] = SimpleQueue()
        self._in_flight: dict[str, InFlight] = {}
        self._arrived: list[OmniDiffusionRequest] = []
        self._is_draining = False

    def submit(self, request: OmniDiffusionRequest) -> None:
        """Take a request at the next `advance`. Safe from any thread."""
        self._inbox.put(request)

    def cancel(self, request_id: str) -> None:
        """Drop a request before its next call; ends in RequestCanceled. Safe from any thread."""
        self._inbox.put(request_id)

    def hand_back(self, request_id: str) -> None:
        """Save a request at its present call, then drop it as `cancel` does. Safe from any thread."""
        self._inbox.put(HandBack(request_id))

    @property
    def is_idle(self) -> bool:
        return not self._in_flight and self._inbox.empty()

    @property
    def request_ids(self) -> tuple[str, ...]:
        """The requests in flight."""
        return tuple(self._in_flight)

    def in_flight(self, request_id: str) -> InFlight | None:
        """What is known of a request in flight."""
        return self._in_flight.get(request_id)

    def advance(self) -> bool:
        """One iteration; False when there was nothing to do."""
        self._take_in()
        batch = self._batcher.next_batch()
        if not batch:
            return False
        self._settle(batch, self._execute(batch))
        return True

    def step(self, requests: Sequence[OmniDiffusionRequest]) -> list[DiffusionOutput]:
        """Run these requests to their ends and return their outputs in order; a failed one carries `error`."""
        ended: dict[str, DiffusionOutput] = {}
        previous, wanted = self._on_event, {request.request_id for request in requests}

        def collect(event: EngineEvent) -> None:
            if event.request_id in wanted and (output := output_of(event)) is not None:
                ended[event.request_id] = output
            previous(event)

        self._on_event = collect
        try:
            for request in requests:
                self.submit(request)
            while wanted - ended.keys():
                self.advance()
        finally:
            self._on_event = previous
        return [ended[request.request_id] for request in requests]

    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        unique_reply_rank: int | None = None,
    ) -> Any:
        """Call a method of the executor's workers (see DiffusionExecutor.collective_rpc)."""
        return self.executor.collective_rpc(method, timeout, args, kwargs, unique_reply_rank)

    def re_init_pipeline(self, custom_pipeline_args: Mapping[str, Any]) -> None:
        """Change the pipeline for a custom one without a restart, from the engine's thread.

        What is in flight runs to its end; what comes meanwhile waits for the new pipeline.

        Raises:
            Misconfigured: the class cannot be used.
            AttributeError: the workers were made without custom classes in mind (see `load_format`).
        """
        self._is_draining = True
        try:
            while len(self._in_flight) > len(self._arrived):
                self.advance()
            self.collective_rpc("re_init_pipeline", args=(custom_pipeline_args,))
        finally:
            self._is_draining = False

    def check_health(self) -> None:
        """Raises EngineUnavailable if the executor can serve no more."""
        self.executor.check_health()

    def close(self) -> None:
        """Drop everything in flight and release the devices."""
        self.executor.drop_requests(list(self._in_flight))
        self._in_flight.clear()
        self.executor.shutdown()

    def _take_in(self) -> None:
        while True:
            try:
                item = self._inbox.get_nowait()
            except Empty:
                break
            if isinstance(item, HandBack):
                item = self._saving.last(self._in_flight.get(item.request_id), item)
            if isinstance(item, str):
                self._drop(item, RequestCanceled(item))
                self._arrived = [request for request in self._arrived if request.request_id != item]
            else:
                self._in_flight[item.request_id] = InFlight(item)
                self._arrived.append(item)
        now = time.monotonic()
        for held in [held for held in self._in_flight.values() if (held.request.deadline or now) < now]:
            error = DeadlineExceeded("The deadline passed while the job ran.")
            self._drop(held.request.request_id, RequestFailed(held.request.request_id, error))
        self._arrived = [request for request in self._arrived if request.request_id in self._in_flight]
        while admitted := self._admitted():
            self._on_batch(tuple(request.request_id for request in admitted))
            advances = self.executor.add_requests(admitted)
            self._on_batch(())
            self._apply(advances)

    def _admitted(self) -> list[OmniDiffusionRequest]:
        """The waiting requests for which there is room, taken off the list; the most urgent first."""
        room = self.executor.max_num_seqs - (len(self._in_flight) - len(self._arrived))
        if self._is_draining or room <= 0:
            return []
        self._arrived.sort(key=lambda request: -request.priority)
        admitted, self._arrived = self._arrived[:room], self._arrived[room:]
        return admitted

    def _execute(self, batch: Sequence[CallInfo]) -> StepResult:
        self._on_batch(tuple(call.request_id for call in batch))
        try:
            result = self.executor.execute_step([call.call_id for call in batch])
        except DeviceOutOfMemory as error:
            self._on_batch(())
            return self._after_out_of_memory(batch, error)
        self._on_batch(())  # not after any other error, of which this process dies: the batch is to blame
        self._learn(batch, result)
        return result

    def _learn(self, batch: Sequence[CallInfo], result: StepResult) -> None:
        """Let the cap policy see what batches cost; keep what it learns."""
        timings = result.timings
        if timings is None:
            whole = result.shared or len(batch) == 1
            timings = (Timing(batch[0].batch_key, len(batch), result.seconds),) if whole else ()
        learned = [self._caps.observe(timing) for timing in timings]
        if any(learned) and self._caps_file and isinstance(self._caps, MeasuredCaps):
            self._caps_file.write(self._caps.learned())

    def _after_out_of_memory(self, batch: Sequence[CallInfo], error: DeviceOutOfMemory) -> StepResult:
        if len(batch) == 1:
            failure = OutOfMemory(
                f"One call does not fit the device even alone: {error}",
                remedy=OutOfMemory.ask_for_less,
            )
            self.executor.drop_requests([batch[0].request_id])
            return StepResult((Failed(batch[0].request_id, failure),))
        self._batcher.shrink(batch[0].batch_key, len(batch))
        return StepResult(tuple(Parked(call) for call in batch))

    def _settle(self, batch: Sequence[CallInfo], result: StepResult) -> None:
        moved = {id(advance.call) for advance in result.advances if isinstance(advance, Parked)}
        for call in batch:
            # A call handed back after an out-of-memory has not been served.
            if id(call) not in moved:
                self._in_flight[call.request_id].count(call.lane, len(batch), result)
        self._apply(result.advances)

    def _apply(self, advances: Sequence[Advance]) -> None:
        for advance in advances:
            match advance:
                case Parked(call, step, steps, preview, resumed):
                    held = self._in_flight[call.request_id]
                    if resumed is not None:
                        self._on_event(RequestResumed(call.request_id, resumed.step, resumed.refused))
                    if preview is not None:
                        picture = (preview.width, preview.height, preview.rgb)
                        self._on_event(RequestPreview(call.request_id, preview.step, *picture))
                    self._caps.meet(call.batch_key, call.label)
                    self._batcher.add(call, held.request.priority, held.request.deadline)
                    self._on_event(RequestProgress(call.request_id, call.lane, step, steps))
                    self._saving.parked(held, call, step)
                case Finished(request_id, output):
                    held = self._in_flight.pop(request_id)
                    output.metrics |= vars(held.tally)
                    self._on_event(RequestFinished(request_id, output))
                case Failed(request_id, error):
                    del self._in_flight[request_id]
                    self._on_event(RequestFailed(request_id, error))

    def _drop(self, request_id: str, event: EngineEvent) -> None:
        held = self._in_flight.pop(request_id, None)
        if held is None:
            return
        if held.call is not None:
            self._batcher.remove([held.call.call_id])
        self.executor.drop_requests([request_id])
        self._on_event(event)
