"""One run: plan, render with bounded company, write down, until nothing is left or somebody calls it off."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog

from omni_jobs.bulk import control
from omni_jobs.bulk.backend import Backend
from omni_jobs.bulk.checking import Checker
from omni_jobs.bulk.manifest import Manifest
from omni_jobs.bulk.planning import Planner, Todo
from omni_jobs.bulk.results import now
from omni_jobs.bulk.tally import Tally
from omni_jobs.bulk.workplace import Workplace
from omni_jobs.errors import OmniJobsError
from omni_jobs.schemas import ModelCard

LOG = structlog.get_logger(__name__)
#: How often a run writes down how far it is, and looks whether it was called off, if that costs nothing.
BEAT_SECONDS = 1.0


class Run:
    """Renders what is left of a manifest. `show` is called a few times a second with how far it is."""

    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        workplace: Workplace,
        *,
        again: bool = False,
        show: Callable[[Mapping[str, Any]], None] = lambda status: None,
    ) -> None:
        """`again`: failed lines are tried again."""
        self.tally = Tally()
        self._manifest = manifest
        self._backend = backend
        self._workplace = workplace
        self._again = again
        self._show = show
        self._started_at = now()
        self._is_canceled = False

    async def __call__(self) -> dict[str, Any]:
        """Run to the end; the last status.

        Raises:
            Unavailable, Misconfigured: it cannot begin. What is written so far stays, and the next run goes on.
        """
        control.clear(self._workplace.destination)
        try:
            return await self._work(await self._backend.start())
        finally:
            await self._backend.close()

    async def _work(self, cards: Mapping[str, ModelCard]) -> dict[str, Any]:
        state = "interrupted"
        beat = asyncio.create_task(self._beat())
        try:
            await self._render_all(cards)
            state = "canceled" if self._is_canceled else "finished"
        except* OmniJobsError as errors:
            raise _first(errors) from errors
        finally:
            beat.cancel()
            with suppress(asyncio.CancelledError):
                await beat
            status = self._status(state)
            self._workplace.settle(status)
            self._show(status)
        return status

    async def _render_all(self, cards: Mapping[str, ModelCard]) -> None:
        entries = Checker(cards).entries(self._manifest.entries())
        planner = Planner(
            entries, self._workplace.journal, self.tally, self._workplace.is_there, again=self._again
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._count())
                await self._feed(planner, cards, group)
        finally:
            planner.stop()

    async def _feed(self, planner: Planner, cards: Mapping[str, ModelCard], group: asyncio.TaskGroup) -> None:
        """Begin one line after another, the next window being planned meanwhile."""
        room = asyncio.Semaphore(self._backend.in_flight)
        planned = group.create_task(asyncio.to_thread(planner.next_window, cards))
        while (window := await planned) and not self._is_canceled:
            planned = group.create_task(asyncio.to_thread(planner.next_window, cards))
            for todo in window:
                await room.acquire()
                if self._is_canceled:
                    return
                group.create_task(self._render(todo, room))

    async def _render(self, todo: Todo, room: asyncio.Semaphore) -> None:
        try:
            result = await self._backend.render(todo.line, todo.generation)
            self._workplace.journal.append(result)
            self.tally.add(result)
        finally:
            room.release()

    async def _count(self) -> None:
        self.tally.total = await asyncio.to_thread(self._manifest.count)

    async def _beat(self) -> None:
        """Say how far it is, and hear whether it is called off."""
        destination = self._workplace.destination
        beats_a_look = max(1, round(destination.look_seconds / BEAT_SECONDS))
        beats = 0
        while True:
            status = self._status("canceling" if self._is_canceled else "running")
            self._show(status)
            if beats % beats_a_look == 0:
                try:
                    await asyncio.to_thread(self._workplace.publish, status)
                    if not self._is_canceled and await asyncio.to_thread(control.is_called_off, destination):
                        self._is_canceled = True
                        await self._backend.cancel()
                except (OmniJobsError, OSError) as error:
                    LOG.warning("status_not_written", error=str(error))
            beats += 1
            await asyncio.sleep(BEAT_SECONDS)

    def _status(self, state: str) -> dict[str, Any]:
        return {
            "state": state,
            **self.tally.to_json(),
            "trouble": self._backend.trouble,
            "jobs": self._backend.jobs,
            "started_at": self._started_at,
            "updated_at": now(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }


def _first(errors: BaseExceptionGroup[OmniJobsError]) -> OmniJobsError:
    """One of them: they have one cause."""
    (first, *_) = errors.exceptions
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
