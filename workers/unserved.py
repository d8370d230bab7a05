"""The error for an option of a model's row that this model or machine cannot serve, said in one way everywhere.

Raised at start-up by `acceleration` and `parallel`, before any job is taken.
"""

from __future__ import annotations

from typing import Any

from omni_jobs.errors import Misconfigured


def cannot_serve(option: str, value: Any, reason: str, remedy: str = "Leave it out.") -> Misconfigured:
    """The error; `option` is named as in the row, with the table that it stands in."""
    return Misconfigured(
        f"`{option}`: {value!r} cannot be served: {reason}", field=option, value=value, remedy=remedy
    )
