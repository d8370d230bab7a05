"""A fiber: the suspended run of one request's unmodified pipeline.

It is a greenlet, so a switch costs about a microsecond and no lock (measured against baton-passing threads:
docs/decisions.md). It runs only the pipeline's Python; a component call parks it until the runner answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

import greenlet
import torch

from workers.stepping.ambient import Ambient, ProcessorOverlay


def own_containers(value: Any) -> Any:
    """The same values in new plain dicts, lists and tuples."""
    if type(value) is dict:
        return {key: own_containers(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(own_containers(item) for item in value)
    return value


@dataclass(slots=True)
class ComponentCall:
    """A component of the pipeline was called: `method` is "__call__", "encode" or "decode".

    A request that is taken up from a checkpoint is given the arguments that it was saved with.
    """

    component: str
    module: Any
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self) -> Any:
        """Call the real module as the pipeline did; once more if a device had no room until caches were freed."""
        call = getattr(self.module, self.method)
        try:
            return call(*self.args, **self.kwargs)
        except torch.OutOfMemoryError:
            pass  # not tried again in here: the error's traceback holds what the call had allocated
        torch.cuda.empty_cache()
        return call(*self.args, **self.kwargs)

    def run_repeatably(self) -> Any:
        """The same on copies of the containers: models take residuals off the lists they are given."""
        args, kwargs = own_containers(self.args), own_containers(self.kwargs)
        return getattr(self.module, self.method)(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Returned:
    """The pipeline returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The pipeline raised; the error stays in its own fiber."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class RunHere:
    """The answer that makes the fiber run its call itself, under its own ambient state, by way of `run`."""

    run: Callable[[ComponentCall], Any]


#: As the pipeline would have run it: bit-identical by construction.
RUN_HERE = RunHere(ComponentCall.run)

Stop = ComponentCall | Returned | Raised


class Follower(Protocol):
    """See `Fiber.follower`."""

    def returned(self, call: ComponentCall, output: Any) -> None:
        """Called in the fiber."""
        ...

    def stopped(self, stop: Stop) -> Stop:
        """Called where the fiber was resumed; returns the stop that counts."""
        ...


class FiberKilled(BaseException):
    """Thrown into a dropped fiber so that its frames unwind and free what they hold."""


class Fiber:
    """One request's run. `resume` moves it to its next component call or its end."""

    def __init__(self, run: Callable[[], Any], overlay: ProcessorOverlay, ambient: Ambient) -> None:
        self.ambient = ambient
        self._overlay = overlay
        self._greenlet = greenlet.greenlet(self._main)
        self._greenlet.fiber = self
        self._run: Callable[[], Any] | None = run
        #: Follows the fiber: hears of every call's output before the pipeline goes on with it, and may move the
        #: fiber on from a stop.
        self.follower: Follower | None = None

    @staticmethod
    def current() -> Fiber | None:
        """The fiber in which the caller runs, if any."""
        return getattr(greenlet.getcurrent(), "fiber", None)

    @property
    def frame(self) -> FrameType | None:
        """The innermost frame while the fiber is parked."""
        found: FrameType | None = self._greenlet.gr_frame
        return found

    def call(self, call: ComponentCall) -> Any:
        """Called inside the fiber: hand the call to the runner, wait for its answer, return the call's output."""
        answer = self._greenlet.parent.switch(call)
        output = answer.run(call) if isinstance(answer, RunHere) else answer
        if self.follower is not None:
            self.follower.returned(call, output)
        return output

    def resume(self, answer: Any = None) -> Stop:
        """Continue with the answer to the parked call (or start), up to the next stop."""
        stop = self.step(answer)
        return stop if self.follower is None else self.follower.stopped(stop)

    def step(self, answer: Any) -> Stop:
        """The same, for the follower."""
        return self._switch(lambda: self._greenlet.switch(answer))

    def throw(self, error: BaseException) -> Stop:
        """Continue with an error raised at the parked call."""
        stop = self._switch(lambda: self._greenlet.throw(error))
        return stop if self.follower is None else self.follower.stopped(stop)

    def kill(self) -> None:
        """Unwind the fiber's frames; harmless if it has ended."""
        if not self._greenlet.dead and self._greenlet.gr_frame is not None:
            self._switch(lambda: self._greenlet.throw(FiberKilled()))
        self._run = None

    def _switch(self, switch: Callable[[], Any]) -> Stop:
        # The hub is whoever resumes: a fiber made in one call of the runner may be resumed in another.
        self._greenlet.parent = greenlet.getcurrent()
        stop: Stop = self.ambient.run(self._overlay, switch)
        return stop

    def _main(self, _first: Any) -> Stop:
        assert self._run is not None
        try:
            return Returned(self._run())
        except FiberKilled:
            return Returned(None)
        except Exception as error:  # noqa: BLE001 - reported as Raised, in its own fiber
            return Raised(error)
