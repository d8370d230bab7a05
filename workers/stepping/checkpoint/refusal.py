"""Why a request cannot be saved, or a saved one not taken up: control flow between this package and the runner."""

from __future__ import annotations

from workers.engine.executor import NotSaved


class Refused(NotSaved):
    """No checkpoint here, or not this one; the request itself is well. The message is one clause for a log."""


#: What looking into a pipeline that nobody knows may raise. It must cost the checkpoint, never the request.
FAULTS = (Refused, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


def explained(error: BaseException) -> str:
    """Why there is no checkpoint, from what was raised."""
    return str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {str(error)[:120]}"
