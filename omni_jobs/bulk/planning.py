"""What is left to do: reads the manifest a window at a time and drops what the journal knows to be done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from omni_jobs.bulk.journal import Journal
from omni_jobs.bulk.manifest import Entry, Line
from omni_jobs.bulk.order import WINDOW_LINES, ordered
from omni_jobs.bulk.results import Outcome, Output, Result, of_entry
from omni_jobs.bulk.tally import Tally
from omni_jobs.schemas import ModelCard


@dataclass(frozen=True, slots=True)
class Todo:
    """A line to render, and how often it was given up before."""

    line: Line
    generation: int = 0


def todo_of(line: Line, last: Result | None, *, is_whole: bool, again: bool) -> Todo | None:
    """Whether a line is to be rendered. Pure.

    Args:
        last: what the journal says of it.
        is_whole: its outputs are all there.
        again: failed lines are tried again.
    """
    if last is None or last.status is Outcome.CANCELED:
        return Todo(line, last.generation if last else 0)
    if last.status is Outcome.SUCCEEDED:
        return None if is_whole else Todo(line, last.generation)
    return Todo(line, last.generation + 1) if again else None


class Planner:
    """Windows of lines to render. Called from one thread; `tally` counts what needs no rendering."""

    def __init__(
        self,
        entries: Iterator[Entry],
        journal: Journal,
        tally: Tally,
        is_there: Callable[[Output], bool],
        *,
        again: bool = False,
        window: int = WINDOW_LINES,
    ) -> None:
        self._entries = entries
        self._journal = journal
        self._tally = tally
        self._is_there = is_there
        self._again = again
        self._window = window
        self._model: str | None = None
        self._busy = threading.Lock()
        self._is_stopped = False

    def next_window(self, cards: Mapping[str, ModelCard]) -> list[Todo]:
        """The next lines to render, in the order for it; none at the manifest's end.

        Raises:
            NotFound, InvalidRequest: the manifest cannot be read any further.
        """
        found: dict[str, Todo] = {}
        while len(found) < self._window and (entry := next(self._entries, None)) is not None:
            with self._busy:
                if self._is_stopped:
                    return []
                todo = self._todo(entry)
            if todo is not None:
                found[todo.line.id] = todo
        lines = ordered([todo.line for todo in found.values()], self._model, cards)
        if lines:
            self._model = lines[-1].request.model
        return [found[line.id] for line in lines]

    def stop(self) -> None:
        """Touch the journal no more, from whatever thread; it may be closed now."""
        with self._busy:
            self._is_stopped = True

    def _todo(self, entry: Entry) -> Todo | None:
        if not isinstance(entry, Line):
            result = of_entry(entry)
            self._journal.append(result)
            self._tally.add(result)
            return None
        last = self._journal.find(entry.id)
        is_whole = last is not None and all(self._is_there(output) for output in last.outputs)
        todo = todo_of(entry, last, is_whole=is_whole, again=self._again)
        if todo is None and last is not None:
            self._tally.skip(last)
        return todo
