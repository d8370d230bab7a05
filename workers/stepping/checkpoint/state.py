"""The live state of a parked request: what is saved of it, and how it is put back.

It is what the pipeline's Python can reach: the variables of its frames that are read again, the arguments of the
parked call, and the attention processors that the request has put in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from types import FrameType
from typing import Any

import torch

from workers.stepping.checkpoint.encode import Encoder
from workers.stepping.checkpoint.frames import pipeline_frames, read_locals, write_locals
from workers.stepping.checkpoint.held import Held, held_around
from workers.stepping.checkpoint.liveness import liveness_of
from workers.stepping.checkpoint.refusal import Refused
from workers.stepping.checkpoint.revive import MISSING, Reviver
from workers.stepping.fiber import ComponentCall, Fiber

Json = Any


@dataclass(frozen=True)
class Scope:
    """One frame of the pipeline: its variables, and what the expression that it stands in holds."""

    frame: FrameType
    values: dict[str, Any]
    held: tuple[Held, ...]

    @classmethod
    def of(cls, frame: FrameType) -> Scope:
        return cls(frame, read_locals(frame), held_around(frame.f_code, frame.f_lasti))

    @property
    def function(self) -> str:
        return self.frame.f_code.co_name

    def lasting(self) -> dict[str, Any]:
        """The variables that the function reads again, or whose values wait in an expression."""
        code = self.frame.f_code
        liveness = liveness_of(code)
        # A step's callback is given variables by name, through locals().
        tells_all = any(name.startswith("callback") and callable(value) for name, value in self.values.items())
        if liveness is None or (tells_all and "locals" in code.co_names):
            return self.values
        waiting = {name for held in self.held for name in held.names or ()}
        dead = liveness.dead_after(self.frame.f_lasti) - waiting
        return {name: value for name, value in self.values.items() if name not in dead}

    def operand(self, held: Held) -> Any:
        """The object that a held name, or dotted name, means now; None if it is no variable of the frame."""
        first, *rest = held.text.split(".")
        return reduce(lambda value, name: getattr(value, name, None), rest, self.values.get(first))


def scopes_of(fiber: Fiber) -> list[Scope]:
    """The scopes of a parked fiber, outermost first."""
    return [Scope.of(frame) for frame in pipeline_frames(fiber)]


def roots_of(scopes: list[Scope], call: ComponentCall, processors: list[Any] | None) -> dict[str, Any]:
    """Everything that a baseline looks at, by path."""
    frames = {_path(depth, scope): scope.values for depth, scope in enumerate(scopes)}
    return {**frames, "call": {"args": call.args, "kwargs": call.kwargs}, "processors": processors}


def save_state(
    scopes: list[Scope], call: ComponentCall, processors: list[Any] | None, encoder: Encoder
) -> dict[str, Json]:
    """The state as JSON, its tensors noted in the encoder.

    Raises:
        Refused: something in it cannot be saved.
    """
    frames = []
    for depth, scope in enumerate(scopes):
        path = _path(depth, scope)
        values = {name: encoder.value(value, f"{path}/{name}") for name, value in scope.lasting().items()}
        frames.append({"function": scope.function, "values": values})
    state = {
        "frames": frames,
        "args": encoder.value(call.args, "call/args"),
        "kwargs": encoder.value(call.kwargs, "call/kwargs"),
        "processors": encoder.value(processors, "processors"),
    }
    for scope in scopes:
        for held in scope.held:
            if held.names is None:
                raise Refused(f"{scope.function} holds `{held.text}`, computed before the call and used after it")
    return state


def restore_state(
    state: Mapping[str, Json],
    scopes: list[Scope],
    call: ComponentCall,
    processors: list[Any] | None,
    reviver: Reviver,
) -> list[Any] | None:
    """Put the state back into the frames and the call; returns the processors.

    Raises:
        Refused: the run is not where it was saved.
    """
    if [frame["function"] for frame in state["frames"]] != [scope.function for scope in scopes]:
        raise Refused("the run is in other functions than when it was saved")
    for value, existing in _pairs(state, scopes, call, processors):
        reviver.match(value, existing)
    for frame, scope in zip(state["frames"], scopes, strict=True):
        _check_computed(frame["values"], scope, reviver)
    objects = [(scope, held, scope.operand(held)) for scope in scopes for held in scope.held if held.is_object]
    for frame, scope in zip(state["frames"], scopes, strict=True):
        scope.values.update({name: reviver.value(value) for name, value in frame["values"].items()})
    for scope, held, before in objects:
        if isinstance(before, torch.Tensor) and scope.operand(held) is not before:
            raise Refused(f"`{held.text}` is held by an expression and could not be restored in place")
    restored = reviver.value(state["args"]), reviver.value(state["kwargs"]), reviver.value(state["processors"])
    for frame, scope in zip(state["frames"], scopes, strict=True):
        write_locals(scope.frame, {name: scope.values[name] for name in frame["values"]})
    call.args, call.kwargs = restored[0], restored[1]
    return restored[2]  # type: ignore[no-any-return]


def _pairs(
    state: Mapping[str, Json], scopes: list[Scope], call: ComponentCall, processors: list[Any] | None
) -> Iterator[tuple[Json, Any]]:
    """Every saved value with what the run has in its place."""
    for frame, scope in zip(state["frames"], scopes, strict=True):
        for name, value in frame["values"].items():
            yield value, scope.values.get(name, MISSING)
    yield state["args"], call.args
    yield state["kwargs"], call.kwargs
    yield state["processors"], processors


def _check_computed(values: Mapping[str, Json], scope: Scope, reviver: Reviver) -> None:
    """What this run has computed from variables and holds is right if they already are what they were."""
    for held in scope.held:
        for name in () if held.is_object else held.names or ():
            if name in values and not reviver.is_equal(values[name], scope.values.get(name, MISSING)):
                raise Refused(f"{scope.function} holds `{held.text}`, and `{name}` has changed since")


def _path(depth: int, scope: Scope) -> str:
    return f"{depth}:{scope.function}"
