"""What became of each line: one JSON object a line in `results.jsonl`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from omni_jobs.bulk.manifest import Line, Problem, Repeat


class Outcome(StrEnum):
    """How a line ended."""

    SUCCEEDED = "succeeded"
    #: It was rendered, or tried, and there is an error to read. `bulk retry --failed` tries it again.
    FAILED = "failed"
    #: It cannot be rendered as it stands.
    INVALID = "invalid"
    #: It is the same as an earlier line, whose outputs are its own.
    REPEATED = "repeated"
    #: It was called off. The next run renders it.
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Output:
    """One written file."""

    key: str
    sha256: str
    size_bytes: int
    seed: int
    content_type: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One row. `generation` counts how often the line was given up before and tried again."""

    line: int
    line_id: str
    status: Outcome
    id: str | None = None
    seed: int | None = None
    generation: int = 0
    job: str | None = None
    outputs: tuple[Output, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    device_seconds: float = 0.0
    error: Mapping[str, Any] | None = None
    same_as: int | None = None
    finished_at: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is empty is left out."""
        facts = asdict(self)
        facts["outputs"] = [{k: v for k, v in asdict(one).items() if v is not None} for one in self.outputs]
        keep = {"line", "line_id", "status", "generation"}
        return {name: fact for name, fact in facts.items() if name in keep or fact not in (None, {}, [], 0.0, "")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """A row as it was written; what a newer version added is left out. Raises ValueError for anything else."""
        try:
            outputs = tuple(Output(**_known(Output, one)) for one in data.get("outputs", ()))
            return cls(**{**_known(cls, data), "status": Outcome(data["status"]), "outputs": outputs})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it is no row of results: {error!r}") from error


def _known(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in data.items() if name in names}


def ended(line: Line, status: Outcome, **facts: Any) -> Result:
    """The row of a line that ended now."""
    return Result(line.number, line.id, status, line.name, line.seed, finished_at=now(), **facts)


def of_entry(entry: Problem | Repeat) -> Result:
    """The row of an entry that is not rendered."""
    if isinstance(entry, Repeat):
        return Result(entry.number, entry.id, Outcome.REPEATED, same_as=entry.first, finished_at=now())
    error = {"code": entry.code, "message": entry.message, "column": entry.column}
    told = {name: fact for name, fact in error.items() if fact is not None}
    return Result(entry.number, entry.id, Outcome.INVALID, entry.name, error=told, finished_at=now())


def error_facts(code: str, message: str, remedy: str | None = None, **more: Any) -> dict[str, Any]:
    """Why a line failed, as a row has it."""
    facts = {"code": code, "message": message, "remedy": remedy, **more}
    return {name: fact for name, fact in facts.items() if fact is not None}


def now() -> str:
    """This moment, as rows have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
