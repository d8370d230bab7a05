"""How a request in the engine process may end without an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omni_jobs import errors


class EngineLost(Exception):
    """The engine process died with the request in it, of `cause`.

    `batch` are the jobs of the batch that was executing if the request's own is among them, else empty.
    """

    def __init__(self, batch: Sequence[str] = (), cause: str = "died") -> None:
        super().__init__(f"the engine process {cause}")
        self.batch = tuple(batch)
        self.cause = cause

    @property
    def blamed(self) -> bool:
        """Whether the request's job may have killed it."""
        return bool(self.batch)


class RequestDropped(Exception):
    """Control flow, not a failure: the worker canceled the request."""


def _by_code(base: type[errors.OmniJobsError]) -> dict[str, type[errors.OmniJobsError]]:
    found = {base.code: base}
    for kind in base.__subclasses__():
        found |= _by_code(kind)
    return found


CODES = _by_code(errors.OmniJobsError)


def error_from(data: Mapping[str, Any]) -> errors.OmniJobsError:
    """The error that crossed as data."""
    kind = CODES.get(data["code"], errors.ExecutionFailed)
    if kind is errors.JobFailed:
        kind = errors.ExecutionFailed
    return kind(data["message"], remedy=data.get("remedy"))


def error_json(error: BaseException) -> dict[str, Any]:
    """An error as data: ours by its code, any other as the pipeline's own words."""
    if isinstance(error, errors.OmniJobsError):
        return {"code": error.code, "message": error.message, "remedy": error.remedy}
    text = " ".join(str(error).split())[:2000]
    return {
        "code": errors.ExecutionFailed.code,
        "message": f"{type(error).__name__}: {text}",
        "remedy": None,
    }
