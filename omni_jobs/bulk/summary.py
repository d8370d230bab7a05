"""What a run came to, gathered in one pass over its results: counts, speed over time, causes, a sample. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from omni_jobs.bulk.results import Outcome, Output, Result

#: Outputs that are shown, evenly taken from all of them.
SAMPLE_OUTPUTS = 200
#: Lines that are named for each cause.
NAMED_LINES = 10
#: What differs between messages of one cause.
_DETAILS = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\d+(\.\d+)?")


@dataclass
class Cause:
    """Lines that failed in one way; `message` is that of the first."""

    code: str
    message: str
    remedy: str | None = None
    count: int = 0
    lines: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """One output and its line."""

    line: int
    output: Output


@dataclass
class Summary:
    """`seconds` holds outputs by the second, since 1970, in which their lines ended."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    outputs: int = 0
    size_bytes: int = 0
    device_seconds: float = 0.0
    seconds: Counter[int] = field(default_factory=Counter)
    causes: dict[tuple[str, str], Cause] = field(default_factory=dict)
    sample: list[Shown] = field(default_factory=list)
    _every: int = 1

    def add(self, result: Result) -> None:
        """Count one line."""
        self.outcomes[result.status] += 1
        self.device_seconds += result.device_seconds
        self.size_bytes += sum(output.size_bytes for output in result.outputs)
        if result.status is Outcome.SUCCEEDED:
            self.seconds[int(datetime.fromisoformat(result.finished_at).timestamp())] += len(result.outputs)
        for output in result.outputs:
            self._show(Shown(result.line, output))
        if result.error is not None:
            self._blame(result)

    def _show(self, shown: Shown) -> None:
        if self.outputs % self._every == 0:
            self.sample.append(shown)
            if len(self.sample) == 2 * SAMPLE_OUTPUTS:
                self.sample = self.sample[::2]
                self._every *= 2
        self.outputs += 1

    def _blame(self, result: Result) -> None:
        error = result.error or {}
        code, message = str(error.get("code")), str(error.get("message"))
        cause = self.causes.setdefault(
            (code, _DETAILS.sub("…", message)), Cause(code, message, error.get("remedy"))
        )
        cause.count += 1
        if len(cause.lines) < NAMED_LINES:
            cause.lines.append(result.line)


def summary_of(results: Iterable[Result]) -> Summary:
    """The summary of these rows."""
    summary = Summary()
    for result in results:
        summary.add(result)
    return summary


def speeds(seconds: Counter[int], bars: int) -> list[float]:
    """Outputs per second in equal parts of the time between the first and the last."""
    if not seconds:
        return []
    first, last = min(seconds), max(seconds)
    span = max(1.0, (last - first + 1) / bars)
    made = [0] * min(bars, last - first + 1)
    for second, count in seconds.items():
        made[min(len(made) - 1, int((second - first) / span))] += count
    return [count / span for count in made]
