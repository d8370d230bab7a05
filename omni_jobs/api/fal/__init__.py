"""The face that clients of the fal queue know: submit, status, result, cancel over the same jobs."""

from __future__ import annotations
