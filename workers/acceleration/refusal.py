"""How an option is refused at start-up: by name, with the value, the reason and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omni_jobs.errors import Misconfigured
from workers.unserved import cannot_serve

#: What diffusers, torch and accelerate raise when they cannot do what they are asked.
REFUSALS = (RuntimeError, ValueError, TypeError, NotImplementedError, ImportError, AttributeError)


def refused(option: str, value: Any, reason: str, remedy: str = "Leave it out.") -> Misconfigured:
    """The error for an option that this model or machine cannot serve."""
    return cannot_serve(f"acceleration.{option}", value, reason, remedy)


@contextmanager
def refusing(option: str, value: Any) -> Iterator[None]:
    """Refuse the option with the reason that a library gives."""
    try:
        yield
    except REFUSALS as error:
        raise refused(option, value, f"{' '.join(str(error).split())[:400].rstrip('.')}.") from error
