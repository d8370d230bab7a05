"""A manifest as a stream of lines: whatever its file is like, one line after another at constant memory.

Called by the bulk commands, several times a run if need be: a pass keeps nothing of the pass before.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from omni_jobs.bulk.manifest import matrix, openai
from omni_jobs.bulk.manifest.line import Line, Problem, Repeat, line_of
from omni_jobs.bulk.manifest.pictures import Pictures
from omni_jobs.bulk.manifest.rows import Row, read_rows
from omni_jobs.bulk.manifest.seen import Seen
from omni_jobs.bulk.manifest.template import Template, put
from omni_jobs.errors import InvalidRequest, NotFound, OmniJobsError
from omni_jobs.schemas import nearest

Entry = Line | Problem | Repeat
#: What a template's file may say.
TABLES = {"job", "matrix", "zip", "rows"}


@dataclass(frozen=True)
class Manifest:
    """Rows of a file, each with every combination of the axes, filled into the template.

    `rows` is None where the axes alone make the lines. Pictures' paths are below `folder`.
    """

    path: Path
    template: Template
    rows: Path | None = None
    axes: tuple[matrix.Axis, ...] = ()

    @property
    def folder(self) -> Path:
        return self.path.parent

    def count(self) -> int:
        """How many lines there are, good and bad, without resolving them."""
        rows = sum(1 for _ in read_rows(self.rows)) if self.rows is not None else 1
        return rows * matrix.count(self.axes)

    def entries(self, check_picture: Callable[[Path], object] | None = None) -> Iterator[Entry]:
        """The lines in order; what cannot run is a Problem, what came before is a Repeat.

        `check_picture` looks into each input file and raises what is wrong with it.

        Raises:
            NotFound, InvalidRequest: the file as a whole cannot be read.
        """
        pictures = Pictures(self.folder, check_picture)
        with closing(Seen()) as seen:
            for row in self._rows():
                yield _entry(row, self.template, pictures, seen) if isinstance(row, Row) else row

    def _rows(self) -> Iterator[Row | Problem]:
        rows = iter([Row(1, {})]) if self.rows is None else read_rows(self.rows)
        if not self.axes:
            yield from self._told(_batch_rows(rows))
            return
        number = 0
        for row in self._told(rows):
            for values in matrix.combinations(self.axes):
                number += 1
                if isinstance(row, Row):
                    yield Row(number, {**row.values, **values})
                else:
                    yield replace(row, number=number)

    def _told(self, rows: Iterator[Row | Problem]) -> Iterator[Row | Problem]:
        """Problems of a table that is not the manifest itself say so."""
        for row in rows:
            if isinstance(row, Problem) and self.rows != self.path:
                yield replace(row, message=f"{self.rows}, line {row.number}: {row.message}")
            else:
                yield row


def open_manifest(path: Path, defaults: Mapping[str, Any] | None = None) -> Manifest:
    """A manifest by its suffix: .toml is a template; .csv, .tsv, .parquet and all else (JSON Lines) are rows.

    Args:
        defaults: fields for what a line leaves out, as a template's `[job]`; names with dots reach inside.

    Raises:
        NotFound: there is no such file. InvalidRequest: what it says as a whole cannot be used.
    """
    if not path.is_file():
        raise NotFound(f"There is no manifest {path}.", field="manifest", value=str(path))
    if path.suffix.lower() != ".toml":
        return Manifest(path, Template(defaults), rows=path)
    document = _document(path)
    fields: dict[str, Any] = dict(defaults or {})
    for name, value in document.get("job", {}).items():
        put(fields, name, value)
    zips = document.get("zip", [])
    axes = matrix.axes_of(document.get("matrix", {}), zips if isinstance(zips, list) else [zips], path.parent)
    rows = document.get("rows")
    return Manifest(path, Template(fields), rows=path.parent / rows if rows else None, axes=tuple(axes))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path}: {error}.", field="manifest", value=str(path)) from error
    unknown = next((name for name in document if name not in TABLES), None)
    if unknown is not None:
        raise InvalidRequest(
            f"{path}: `{unknown}` is no part of a template.", field=unknown, remedy=nearest(unknown, TABLES)
        )
    return document


def _batch_rows(rows: Iterator[Row | Problem]) -> Iterator[Row | Problem]:
    """Rows as they are, or jobs, if the first one is a request of an OpenAI batch."""
    first = next(rows, None)
    if first is None:
        return
    rows = chain([first], rows)
    if isinstance(first, Row) and first.is_job and openai.is_batch_row(first.values):
        rows = map(_batch_row, rows)
    yield from rows


def _batch_row(row: Row | Problem) -> Row | Problem:
    if isinstance(row, Problem):
        return row
    try:
        return replace(row, values=openai.job_of_row(row.values))
    except OmniJobsError as error:
        return Problem.of(row.number, error)


def _entry(row: Row, template: Template, pictures: Pictures, seen: Seen) -> Entry:
    try:
        line = line_of(row.number, template.fill(row.values, is_job=row.is_job), pictures)
    except OmniJobsError as error:
        name = row.values.get("id")
        return Problem.of(row.number, error, None if name is None else str(name))
    if line.name is not None and (first := seen.first(f"name {line.name}", row.number)) is not None:
        return Problem(row.number, "id", "invalid_request", f"`id`: {line.name!r} is line {first}'s.", line.name)
    if (first := seen.first(line.id, row.number)) is not None:
        return Repeat(row.number, line.id, first)
    return line
