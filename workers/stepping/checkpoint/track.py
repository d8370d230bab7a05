"""One request followed from its first denoiser call, so that it can be saved at a later call and taken up again.

A resumed run calls the pipeline from the start; its denoiser calls are answered with zeros of the right shape, and
at the call where it was saved everything that had changed is put back (docs/resume.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from workers.engine.calls import Resumed
from workers.stepping.ambient import RandomState
from workers.stepping.checkpoint.baseline import Baseline
from workers.stepping.checkpoint.encode import Encoder
from workers.stepping.checkpoint.file import pack, unpack
from workers.stepping.checkpoint.fingerprint import difference
from workers.stepping.checkpoint.hollow import hollow, stand_in
from workers.stepping.checkpoint.kinds import Kinds
from workers.stepping.checkpoint.refusal import FAULTS, Refused, explained
from workers.stepping.checkpoint.revive import Reviver
from workers.stepping.checkpoint.script import Note, from_json, is_denoiser, to_json
from workers.stepping.checkpoint.state import restore_state, roots_of, save_state, scopes_of
from workers.stepping.checkpoint.traces import Traces
from workers.stepping.fiber import ComponentCall, Fiber, Raised, Stop

Json = Any


@dataclass(frozen=True)
class Snapshot:
    """A request as it stood at a parked call: copies, so that it may run on. `to_bytes` may run on any thread."""

    step: int
    state: dict[str, Json]
    blobs: list[torch.Tensor]

    def to_bytes(self) -> bytes:
        """The checkpoint's file."""
        return pack(self.state, self.blobs)


class Saved:
    """A checkpoint that was read and is one of this request."""

    def __init__(self, content: bytes, fingerprint: Mapping[str, str]) -> None:
        """Raises Refused: the file is no checkpoint, or one of something else."""
        self.state, self.blobs = unpack(content)
        if (found := difference(self.state["fingerprint"], fingerprint)) is not None:
            raise Refused(found)
        self.script = from_json(self.state["script"])
        step, steps = self.state["place"]
        self.place = (int(step), int(steps))

    def random(self, name: str) -> RandomState:
        """The global random state at the `start` of the request, or when it was saved (`now`)."""
        cpu, *cuda = (self.blobs[place] for place in self.state["random"][name])
        return RandomState(cpu, cuda)


@dataclass(frozen=True)
class Ground:
    """What a track knows beforehand: kinds of objects, the pipeline's shared parts by name, the request's
    fingerprint, and the caller's generators with their states."""

    kinds: Kinds
    parts: Mapping[str, Any]
    fingerprint: Mapping[str, str]
    generators: tuple[tuple[torch.Generator, torch.Tensor], ...] = ()


class Track:
    """Follows one request in its fiber. With `saved` it brings the request there before anything is run."""

    def __init__(
        self, fiber: Fiber, ground: Ground, saved: Saved | None = None, refused: str | None = None
    ) -> None:
        self._fiber = fiber
        self._ground = ground
        self._saved = saved
        self._script: list[Note] = []
        #: Denoiser calls that were made, or stood in for.
        self.calls = 0
        self._baseline: Baseline | None = None
        self._call: ComponentCall | None = None
        self._note: Note | None = None
        self._traces: Traces | None = None
        self._unsaved: str | None = None
        self._news = None if refused is None else Resumed(0, refused)
        if saved is not None:
            fiber.ambient.random = saved.random("start")
        self._start = fiber.ambient.random
        fiber.follower = self

    @property
    def is_rehearsing(self) -> bool:
        """Whether the request is still on its way to where it was saved."""
        return self._saved is not None

    @property
    def goal(self) -> tuple[int, int]:
        """Step, and steps, of where a rehearsing request was saved."""
        assert self._saved is not None
        return self._saved.place

    def news(self) -> Resumed | None:
        """What became of the checkpoint; told once."""
        news, self._news = self._news, None
        return news

    def rewind(self) -> None:
        """Give the caller's generators back as they were before the request began."""
        for generator, state in self._ground.generators:
            generator.set_state(state)

    def stopped(self, stop: Stop) -> Stop:
        """The fiber stopped; a rehearsal goes on from here to the next call that must really be run.

        Returns that stop, or Raised(Refused) if the run does not come to where it was saved: it must begin again.
        """
        try:
            return self._rehearsed(stop, self._saved) if self._saved is not None else self._followed(stop)
        except FAULTS as error:
            fault = Refused(explained(error))
        if self._saved is not None:
            return Raised(fault)
        self._unsaved = str(fault)
        return stop

    def returned(self, call: ComponentCall, output: Any) -> None:
        """The fiber got a call's output and is about to go on."""
        self._call = None
        if self._baseline is None or self._note is None:
            return
        self.calls += is_denoiser(call)
        if self._saved is not None:
            self._script.append(self._saved.script[len(self._script)])
            return
        stand_in_exists = is_denoiser(call) and not (self._traces and self._traces.have_changed())
        returned = hollow(output, self._ground.kinds) if stand_in_exists else None
        self._script.append(replace(self._note, returned=returned))

    def take(self, step: int, steps: int) -> Snapshot:
        """Copy the request's state at the call at which it is parked.

        Raises:
            Refused: there is nothing to save yet, or something that cannot be saved.
        """
        if self._unsaved is not None:
            raise Refused(self._unsaved)
        if self._call is None or self._note is None or self._saved is not None or not self._script:
            raise Refused("no denoiser call has been made yet")
        try:
            return self._taken(self._call, self._note, step, steps)
        except FAULTS as error:
            raise Refused(explained(error)) from error

    def _taken(self, call: ComponentCall, note: Note, step: int, steps: int) -> Snapshot:
        assert self._baseline is not None
        names = {id(part): name for name, part in self._ground.parts.items()}
        encoder = Encoder(self._ground.kinds, self._baseline, names)
        graph = save_state(scopes_of(self._fiber), call, self._fiber.ambient.processors, encoder)
        blobs = encoder.blobs()
        random = {}
        for name, held in (("start", self._start), ("now", self._fiber.ambient.random)):
            random[name] = list(range(len(blobs), len(blobs) + 1 + len(held.cuda)))
            blobs += [held.cpu.clone(), *(state.clone() for state in held.cuda)]
        state = {
            "fingerprint": dict(self._ground.fingerprint),
            "place": [step, steps],
            "random": random,
            "script": to_json(self._script),
            "parked": asdict(note),
            "graph": graph,
            "nodes": encoder.nodes,
        }
        return Snapshot(step, state, blobs)

    def _followed(self, stop: Stop) -> Stop:
        if isinstance(stop, ComponentCall) and (self._baseline is not None or is_denoiser(stop)):
            self._reach(stop)
        return stop

    def _rehearsed(self, stop: Stop, saved: Saved) -> Stop:
        while isinstance(stop, ComponentCall):
            if self._baseline is None and not is_denoiser(stop):
                return stop
            self._reach(stop)
            if len(self._script) == len(saved.script):
                self._restore(saved, stop)
                return stop
            note = saved.script[len(self._script)]
            note.check(stop)
            if note.returned is None:
                return stop
            stop = self._fiber.step(stand_in(note.returned, self._ground.kinds))
        why = str(stop.error) if isinstance(stop, Raised) else "it ended"
        raise Refused(f"the run did not come to where it was saved: {why}")

    def _reach(self, call: ComponentCall) -> None:
        """The fiber is parked at a denoiser call, or at any call after the first."""
        self._call, self._note = call, Note.of(call)
        processors = self._fiber.ambient.processors
        self._traces = Traces(processors, self._ground.kinds) if processors else None
        if self._baseline is None:
            roots = roots_of(scopes_of(self._fiber), call, processors)
            self._baseline = Baseline(roots, self._ground.kinds, holds=self._saved is not None)

    def _restore(self, saved: Saved, call: ComponentCall) -> None:
        assert self._baseline is not None
        Note(**saved.state["parked"]).check(call)
        ground, ambient = self._ground, self._fiber.ambient
        reviver = Reviver(saved.state["nodes"], saved.blobs, ground.kinds, self._baseline, ground.parts)
        scopes = scopes_of(self._fiber)
        ambient.processors = restore_state(saved.state["graph"], scopes, call, ambient.processors, reviver)
        ambient.random = saved.random("now")
        self._baseline.release()
        self._saved = None
        self._news = Resumed(saved.place[0])
