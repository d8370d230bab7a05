"""Renders lines on an engine process, any number at a time, and writes their outputs. Torch-free.

Pictures are decoded, and outputs encoded and written, by a few threads beside the engine.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import TypeVar

import structlog

from omni_jobs.bulk.destination import Destination
from omni_jobs.bulk.fetching import read_picture
from omni_jobs.bulk.manifest import Line
from omni_jobs.bulk.paths import PathTemplate
from omni_jobs.bulk.results import Outcome, Output, Result, ended, error_facts
from omni_jobs.errors import EngineUnavailable, OmniJobsError, Poisoned, Unavailable
from omni_jobs.settings import Settings
from workers import media
from workers.bulk.company import Company
from workers.credentials import Sign
from workers.engine_process import EngineLost, EngineProcess, Rendered, RenderRequest, RequestDropped
from workers.inputs import requests_of
from workers.lora_folder import LoraFolder
from workers.outputs import embedded, sharing_of

log = structlog.get_logger(__name__)
T = TypeVar("T")
#: Pauses in seconds while a store does not answer; the last one is repeated.
PAUSES_SECONDS = (0.2, 1.0, 3.0, 10.0)


@dataclass(eq=False)
class Order:
    """A line in the renderer's care."""

    line: Line
    generation: int
    began: float = field(default_factory=time.monotonic)
    futures: list[Future[Rendered]] = field(default_factory=list)
    tries: int = 0


class Renderer:
    """Takes lines and tells their results through `tell`, from its threads."""

    def __init__(
        self,
        engine: EngineProcess,
        loras: Mapping[str, LoraFolder],
        destination: Destination,
        paths: PathTemplate,
        settings: Settings,
        spool: Path,
        sign: Sign,
        tell: Callable[[Result], object],
        tell_trouble: Callable[[str], object],
    ) -> None:
        self._engine = engine
        self._loras = loras
        self._destination = destination
        self._paths = paths
        self._settings = settings
        self._spool = spool
        self._sign = sign
        self._tell = tell
        self._tell_trouble = tell_trouble
        self._troubled = ""
        self._is_closed = threading.Event()
        self._lock = threading.RLock()
        self._company: Company[Order] = Company()
        self._threads = ThreadPoolExecutor(max(2, os.cpu_count() or 1), "bulk")

    def render(self, line: Line, generation: int) -> None:
        """Take a line; returns at once."""
        with self._lock:
            self._company.add(Order(line, generation))
        self.look()

    def look(self) -> None:
        """Begin what may begin. Called when a line came or ended, and when the engine process changed."""
        with self._lock:
            if all(state.phase in ("starting", "loading") for state in self._engine.models.values()):
                return
            begun = self._company.next()
        for order in begun:
            self._threads.submit(self._begin, order)

    def cancel(self) -> None:
        """Drop everything that waits or runs; each line's result says so."""
        with self._lock:
            dropped = [*self._company.waiting, *self._company.suspects]
            self._company.waiting.clear()
            self._company.suspects.clear()
            running = list(self._company.running)
        for order in dropped:
            self._end(order, ended(order.line, Outcome.CANCELED, generation=order.generation))
        for order in running:
            self._drop(order)

    def _drop(self, order: Order) -> None:
        """The device stops working on a line at its next call."""
        for index in range(order.line.request.num_outputs):
            self._engine.cancel(_name(order, index))

    def close(self) -> None:
        """Begin nothing more and wait for nothing."""
        self._is_closed.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, order: Order) -> None:
        order.tries += 1
        try:
            order.futures = []
            for request in self._requests(order):
                order.futures.append(self._engine.submit(request))
        except Exception as error:  # noqa: BLE001  whatever is wrong with a line is that line's failure
            self._drop(order)
            self._settle(order, error)
            return
        left = len(order.futures)

        def count(_: Future[Rendered]) -> None:
            nonlocal left
            with self._lock:
                left -= 1
                is_last = left == 0
            if is_last:
                self._threads.submit(self._finish, order)

        for future in order.futures:
            future.add_done_callback(count)

    def _requests(self, order: Order) -> list[RenderRequest]:
        line, settings = order.line, self._settings
        job = line.request
        places = {field: line.pictures.get(token, token) for field, token in job.pictures.items()}
        fetched = {field: self._persist(partial(read_picture, place, settings)) for field, place in places.items()}
        return requests_of(
            job,
            self._engine.models[job.model].row,
            self._loras[job.model],
            fetched,
            name=_name(order),
            seed=line.seed,
            folder=self._spool,
            max_pixels=settings.max_input_pixels,
        )

    def _finish(self, order: Order) -> None:
        errors = [error for error in (future.exception() for future in order.futures) if error is not None]
        try:
            if errors:
                # If the process died, what counts is whether any output of the line was in its batch.
                raise next((error for error in errors if getattr(error, "blamed", False)), errors[0])
            rendered = [future.result() for future in order.futures]
            self._end(order, self._written(order, rendered))
        except Exception as failure:  # noqa: BLE001  as above; a full disk is told to all by the first
            for future in order.futures:
                if future.exception() is None:
                    future.result().discard()
            self._settle(order, failure)

    def _persist(self, act: Callable[[], T]) -> T:
        """Do it, again after each pause while a store does not answer or a disk is full, until we are closed."""
        for pause in chain(PAUSES_SECONDS, repeat(PAUSES_SECONDS[-1])):
            try:
                done = act()
            except Unavailable as error:
                self._trouble(str(error))
                if self._is_closed.wait(pause):
                    raise
            else:
                self._trouble("")
                return done
        raise AssertionError("unreachable")

    def _trouble(self, text: str) -> None:
        if text != self._troubled:
            self._troubled = text
            self._tell_trouble(text)

    def _settle(self, order: Order, error: Exception) -> None:
        """An order ended without outputs: is it over, or does it begin again?"""
        model = self._engine.models[order.line.request.model]
        with self._lock:
            if isinstance(error, EngineUnavailable) and model.phase != "failed":
                self._company.returned(order)
                return  # the engine tells when it is there again
            if isinstance(error, EngineLost) and not error.blamed:
                self._company.returned(order)
            elif not isinstance(error, EngineLost):
                self._fail(order, error)
            elif self._company.crashed(order):
                self._fail(order, Poisoned("The engine process died each time, at last with this line alone."))
        self.look()

    def _fail(self, order: Order, error: Exception) -> None:
        if isinstance(error, RequestDropped):
            self._end(order, ended(order.line, Outcome.CANCELED, generation=order.generation))
            return
        if not isinstance(error, OmniJobsError):
            log.error("line failed", line=order.line.number, exc_info=error)
            error = OmniJobsError(f"{type(error).__name__}: {error}")
        told = error_facts(error.code, error.message, error.remedy)
        self._end(order, ended(order.line, Outcome.FAILED, generation=order.generation, error=told))

    def _end(self, order: Order, result: Result) -> None:
        with self._lock:
            self._company.ended(order)
        self._tell(result)
        self.look()

    def _written(self, order: Order, rendered: list[Rendered]) -> Result:
        """Encode and write the outputs of a line; media come first, then tensors."""
        line, state = order.line, self._engine.models[order.line.request.model]
        rendered_at = time.monotonic()
        numbered = [(line.seed + number, file) for number, one in enumerate(rendered) for file in one.files]
        outputs = []
        for index, (seed, file) in enumerate(sorted(numbered, key=lambda item: item[1].kind == "tensors")):
            encoded = media.encode(file, line.request.output, embedded(line.request, state, seed))
            encoded = self._persist(partial(self._sign, encoded, line.request))
            key = self._paths.key(line, index, encoded.extension)
            self._persist(partial(self._destination.write, key, encoded.content, encoded.content_type))
            digest = hashlib.sha256(encoded.content).hexdigest()
            size = len(encoded.content)
            outputs.append(Output(key, digest, size, seed, encoded.content_type, encoded.width, encoded.height))
        timings = {
            "render_seconds": round(rendered_at - order.began, 3),
            "upload_seconds": round(time.monotonic() - rendered_at, 3),
        }
        return ended(
            line,
            Outcome.SUCCEEDED,
            generation=order.generation,
            outputs=tuple(outputs),
            timings=timings,
            device_seconds=sharing_of(rendered).device_seconds,
        )


def _name(order: Order, index: int | None = None) -> str:
    """The name of a try in the engine process, or of one of its requests."""
    name = f"{order.line.id}.{order.tries}"
    return name if index is None else f"{name}.{index}"
