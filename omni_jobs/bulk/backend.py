"""How lines are rendered: one protocol, two ways, the same results. `through_queue` and `local` implement it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from omni_jobs.bulk.manifest import Line
from omni_jobs.bulk.results import Result
from omni_jobs.schemas import ModelCard


class Backend(Protocol):
    """Renders any number of lines at a time and writes their outputs to the run's destination."""

    #: Lines that it wants in flight.
    in_flight: int
    #: Why nothing advances just now, for people; empty if it does.
    trouble: str

    async def start(self) -> Mapping[str, ModelCard]:
        """Be ready; the models by name.

        Raises:
            Unavailable, Misconfigured: it cannot work at all.
        """
        ...

    async def render(self, line: Line, generation: int) -> Result:
        """Render one line to its end, whatever that is, and write its outputs.

        What may pass (a Redis that is away, a full queue) is waited for.

        Raises:
            Misconfigured: nothing can be rendered any more.
        """
        ...

    @property
    def jobs(self) -> list[str]:
        """Ids of the jobs in flight that somebody else could call off."""
        ...

    async def cancel(self) -> None:
        """Call off what is in flight; each of its `render` returns."""
        ...

    async def close(self) -> None:
        """Release everything; what is in flight stays where it is."""
        ...
