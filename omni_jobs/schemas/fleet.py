"""What workers say about themselves and about the deployment; the store keeps it, everybody may read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from omni_jobs.schemas.record import Record

ModelState = Literal["loading", "ready", "asleep", "unloaded", "failed"]
#: States in which a worker claims jobs of a model; one that is not on the device is brought there for them.
SERVING: frozenset[ModelState] = frozenset({"ready", "asleep", "unloaded"})


class WorkerInfo(Record):
    """One live worker. `models` maps each model it serves to its state there; `in_flight` of `slots` are taken.

    `held_up` says why it claims nothing at present, if it does not.
    """

    id: str
    host: str
    models: dict[str, ModelState]
    slots: int
    in_flight: int = 0
    state: Literal["starting", "ready", "draining"] = "ready"
    started_at: datetime
    beat_at: datetime
    device: str = ""
    version: str = ""
    held_up: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)

    def serves(self, model: str) -> bool:
        """Whether this worker claims jobs of the model."""
        return self.state == "ready" and self.models.get(model) in SERVING

    @property
    def free_slots(self) -> int:
        if self.state != "ready" or self.held_up is not None:
            return 0
        return max(0, self.slots - self.in_flight)


class Deployment(Record):
    """What a producer that knows only the Redis URL needs besides; without credentials."""

    storage_url: str
    api_url: str | None = None
    version: str = ""


class Upload(Record):
    """One stored input: where it lies and what it is. Pixels are given for pictures."""

    id: str
    key: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    filename: str | None = None
    created_at: datetime
