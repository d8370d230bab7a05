"""A rank that is a Ray actor, as the executor sees it: Ray carries packed messages and tells of its end.

Replies are one stream that lasts as long as the actor, so its death is noticed while nobody waits for a reply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayError

from workers.executors.ranks import Rank
from workers.executors.ray_actor import Whereabouts
from workers.executors.wire import unpacked


class RayRank(Rank):
    """Holds the actor's handle."""

    def __init__(self, number: int, actor: Any, whereabouts: Whereabouts) -> None:
        self.number = number
        self._actor = actor
        self._whereabouts = whereabouts
        self._ending = "was ended"
        self._taken: Any = None
        self._stream = actor.live.options(num_returns="streaming", concurrency_group="living").remote()

    def __str__(self) -> str:
        return f"rank {self.number} (process {self._whereabouts.process} on {self._whereabouts.host})"

    def send(self, data: bytes, seconds: float) -> None:
        """Waits until the message before was taken: actors with several threads promise no order."""
        if not ray.is_initialized():
            raise ConnectionError("the connection to Ray was ended")
        try:
            if self._taken is not None:
                ray.get(self._taken, timeout=seconds)
            self._taken = self._actor.tell.remote(data)
        except RayError as error:
            raise ConnectionError(_in_words(error)) from error

    def replies(self) -> Iterator[Any]:
        try:
            for reply in self._stream:
                yield unpacked(ray.get(reply))
        except RayError as error:
            self._ending = f"was lost: {_in_words(error)}"

    def hang_up(self) -> None:
        if ray.is_initialized():  # else the actor ended with the connection, and asking Ray would make another
            ray.kill(self._actor)

    def end(self, patience: float) -> str:
        """Ray kills at once; that it is done shows at the end of the replies."""
        self.hang_up()
        return self._ending

    def close(self) -> None:
        """Ray frees what is held for the actor."""


def _in_words(error: RayError) -> str:
    """The reason, which is in the last line of Ray's account, without the general advice that follows it."""
    return (str(error) or type(error).__name__).splitlines()[-1].partition(" Some common causes")[0].rstrip(".")
