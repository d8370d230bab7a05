"""What the engine sees of a pipeline: calls, and how a request advances from one call to the next.

A call is one invocation of a component (denoiser, text encoder, VAE) by one request: the only unit the batcher
plans. The runner makes these; the engine never sees a tensor.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workers.engine.request import DiffusionOutput


class Lane(StrEnum):
    """The kind of a call."""

    ENCODE = "encode"
    DENOISE = "denoise"
    DECODE = "decode"


@dataclass(frozen=True, slots=True)
class CallInfo:
    """A parked call. Only calls with equal `batch_key` may share a forward; `cost` is in rows of one forward.

    `label` names the batch key alike in every process, so that what is learned of it can be kept; else "".
    """

    request_id: str
    call_id: int
    lane: Lane
    batch_key: Hashable
    cost: int = 1
    label: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of a request under way: `rgb` holds height x width x 3 bytes, row by row."""

    step: int
    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class Resumed:
    """What became of a request's checkpoint: it goes on from `step`, or begins again because it was `refused`."""

    step: int
    refused: str | None = None


class Checkpoint(Protocol):
    """A request as it stood between two calls. `to_bytes` is slow and may be called from any thread."""

    @property
    def step(self) -> int:
        """Denoising iterations that were done."""
        ...

    def to_bytes(self) -> bytes:
        """The file from which any process that runs the same model can go on."""
        ...


@dataclass(frozen=True, slots=True)
class Parked:
    """The request waits at its next call. `step` of `steps` denoising iterations are done (0 of 0: unknown).

    `preview` is a new picture of it, if it asked for previews and one is due. `resumed` is there once, for a
    request that came with a checkpoint.
    """

    call: CallInfo
    step: int = 0
    steps: int = 0
    preview: Preview | None = None
    resumed: Resumed | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The request's pipeline returned."""

    request_id: str
    output: DiffusionOutput


@dataclass(frozen=True, slots=True)
class Failed:
    """The request's own pipeline code, or its call run alone, raised."""

    request_id: str
    error: BaseException


Advance = Parked | Finished | Failed


@dataclass(frozen=True, slots=True)
class Timing:
    """One forward of `size` calls took `seconds` on the device's clock.

    It needed `memory_bytes` at its peak, and `free_bytes` were left then; both 0 where the device does not tell.
    """

    batch_key: Hashable
    size: int
    seconds: float
    memory_bytes: int = 0
    free_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StepResult:
    """One executed batch: how each of its requests advanced, and what it cost.

    `seconds` is the time that the batch held the engine; `shared` is False when the runner had to run the calls
    one by one (unproved or refused merge). `timings` are batches whose time on the device has become known, this
    one or earlier ones; None where `seconds` is just that.
    """

    advances: tuple[Advance, ...]
    seconds: float = 0.0
    shared: bool = True
    timings: tuple[Timing, ...] | None = None
