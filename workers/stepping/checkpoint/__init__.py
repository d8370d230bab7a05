"""Saving a request in the middle of its run, and taking it up again in another process (see docs/resume.md)."""

from workers.stepping.checkpoint.keeper import Keeper
from workers.stepping.checkpoint.refusal import Refused
from workers.stepping.checkpoint.track import Snapshot, Track

__all__ = ["Keeper", "Refused", "Snapshot", "Track"]
