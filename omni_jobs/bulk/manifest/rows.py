"""Rows of a manifest as its file has them: JSON Lines, CSV, TSV, Parquet. One at a time, whatever the file's size.

A row that cannot be read is a problem with its line and column, and the next one is read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from omni_jobs.bulk.manifest.line import Problem
from omni_jobs.bulk.manifest.parquet import parquet_rows
from omni_jobs.bulk.manifest.template import Cell
from omni_jobs.errors import InvalidRequest, NotFound

#: Longest line of a JSON Lines file.
MAX_LINE_BYTES = 8 * 2**20
BAD = "invalid_request"


@dataclass(frozen=True, slots=True)
class Row:
    """Named values of one line; None is absent. `is_job`: the names are a job's fields, and nothing else."""

    number: int
    values: dict[str, Any]
    is_job: bool = False


def read_rows(path: Path) -> Iterator[Row | Problem]:
    """The rows of a file, by its suffix: .csv, .tsv, .parquet, or else JSON Lines.

    Raises:
        NotFound: there is no such file. InvalidRequest: its header cannot be used, or it is another kind of file.
        Misconfigured: what reads Parquet is not installed.
    """
    reader = READERS.get(path.suffix.lower(), _json_lines)
    yield from _readable(path, reader)


def json_rows(source: Path | BinaryIO) -> Iterator[Row | Problem]:
    """The rows of a JSON Lines file, by any name, or of an open one from its start. Raises as `read_rows`."""
    if isinstance(source, Path):
        yield from _readable(source, _json_lines)
    else:
        source.seek(0)
        yield from _lines_of(source)


def _readable(path: Path, reader: Callable[[Path], Iterator[Row | Problem]]) -> Iterator[Row | Problem]:
    try:
        yield from reader(path)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.", field="manifest", value=str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8: {error.reason}.", field="manifest", value=str(path)) from error


def _json_lines(path: Path) -> Iterator[Row | Problem]:
    with path.open("rb") as file:
        yield from _lines_of(file)


def _lines_of(file: BinaryIO) -> Iterator[Row | Problem]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            _skip_line(file)
            yield Problem(number, MAX_LINE_BYTES, BAD, f"is longer than {MAX_LINE_BYTES} bytes.")
        elif line.strip():
            yield _json_row(number, line)


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        continue


def _json_row(number: int, line: bytes) -> Row | Problem:
    try:
        values = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except json.JSONDecodeError as error:
        return Problem(number, error.colno, BAD, f"is not JSON: {error.msg}.")
    except UnicodeDecodeError as error:
        return Problem(number, error.start + 1, BAD, f"is not UTF-8: {error.reason}.")
    except (ValueError, RecursionError) as error:
        return Problem(number, None, BAD, f"is not JSON: {error}.")
    if not isinstance(values, dict):
        return Problem(number, 1, BAD, f"is no JSON object but {type(values).__name__}.")
    return Row(number, values, is_job=True)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _cells(path: Path) -> Iterator[Row | Problem]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header)
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield Problem(number, None, BAD, f"is not CSV: {error}.")
                continue
            if cells is None:
                return
            if cells:
                yield _cell_row(number, header, cells)


def _check_header(path: Path, header: list[str]) -> None:
    doubled = next((name for name in header if header.count(name) > 1 or not name), None)
    if not header or doubled is not None:
        raise InvalidRequest(
            f"{path}: its first line has "
            + (f"the column {doubled!r} twice." if doubled else "a column without name."),
            field="manifest",
            remedy="The first line names the columns, each once.",
        )


def _cell_row(number: int, header: list[str], cells: list[str]) -> Row | Problem:
    if len(cells) > len(header):
        return Problem(
            number, len(header) + 1, BAD, f"has {len(cells)} cells, the first line {len(header)} names."
        )
    cells += [""] * (len(header) - len(cells))
    return Row(number, {name: Cell(cell) if cell else None for name, cell in zip(header, cells, strict=True)})


def _columns(path: Path) -> Iterator[Row | Problem]:
    for number, values in enumerate(parquet_rows(path), 1):
        other = next((name for name, value in values.items() if not _is_json(value)), None)
        if other is None:
            yield Row(number, values)
        else:
            kind = type(values[other]).__name__
            yield Problem(number, other, BAD, f"`{other}`: a {kind} is nothing that a job holds.")


def _is_json(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(_is_json, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | int | float | bool)


READERS = {".csv": _cells, ".tsv": _cells, ".parquet": _columns}
