"""What the runner holds of a request in flight, and what it counts of all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from workers.engine.calls import CallInfo, Lane, Parked
from workers.engine.request import OmniDiffusionRequest
from workers.stepping.adapters import Activation
from workers.stepping.book import Served
from workers.stepping.checkpoint import Track
from workers.stepping.fiber import Fiber
from workers.stepping.preview import Watch
from workers.stepping.proof import Prover
from workers.stepping.room import Extent
from workers.stepping.step_cache import StepCache


@dataclass
class RunnerStats:
    """What the denoise lane has done. Forwards made for proofs are not counted; `solo_reasons` counts calls,
    `unsaved` checkpoints that could not be taken.

    `calls` are those that ran, `calls_saved` those that their requests' own step caches answered. `device_seconds`
    is of all lanes, on the device's clock.
    """

    calls: int = 0
    calls_saved: int = 0
    forwards: int = 0
    max_batch: int = 0
    solo_reasons: Counter[str] = field(default_factory=Counter)
    proofs: int = 0
    encode_hits: int = 0
    device_seconds: float = 0.0
    unsaved: Counter[str] = field(default_factory=Counter)

    def count(self, part: Served, prover: Prover) -> None:
        """Calls were served together, or alone for the reason that the prover knows."""
        if part.calls[0].lane is not Lane.DENOISE:
            return
        size = len(part.calls)
        self.calls += size
        self.forwards += 1 if part.shared else size
        self.max_batch = max(self.max_batch, size if part.shared else 1)
        self.proofs = prover.proofs
        if not part.shared:
            self.solo_reasons[prover.why_alone(part.calls[0]) or "nobody to share with"] += size

    def report(self, prover: Prover) -> dict[str, Any]:
        """What is known of merging, as JSON."""
        return {
            "proofs": prover.proofs,
            "audits": prover.audits,
            "encode_hits": self.encode_hits,
            "calls_saved": self.calls_saved,
            "rules": list(prover.rules()),
            "alone": dict(self.solo_reasons.most_common(10)),
            "unsaved": dict(self.unsaved.most_common(10)),
        }


@dataclass
class Running:
    """A request in a fiber, and how far its denoising loop has come."""

    request: OmniDiffusionRequest
    adapters: Activation
    fiber: Fiber | None = None
    step: int = 0
    steps: int = 0
    call_id: int | None = None
    watch: Watch | None = None
    extent: Extent | None = None
    cache: StepCache | None = None
    track: Track | None = None

    def on_step(self, step: int, steps: int) -> None:
        self.step, self.steps = step, steps

    def parked(self, call: CallInfo) -> Parked:
        """What the engine is told when the request waits at a call; on its way to a checkpoint, where that was."""
        if self.track is not None and self.track.is_rehearsing:
            return Parked(call, *self.track.goal)
        preview = self.watch.take(self.step) if self.watch else None
        return Parked(call, self.step, self.steps, preview, self.track.news() if self.track else None)
