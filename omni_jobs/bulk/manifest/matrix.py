"""A manifest that is made up: every combination of lists (`[matrix]`), lists that go together (`[[zip]]`), rows of
a table (`rows`). Combinations are counted without being made, and made one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omni_jobs.bulk.manifest.pictures import files_fitting
from omni_jobs.errors import InvalidRequest

Values = Mapping[str, Any]
#: Ways to write the values of one name other than as a list, with their keys.
FORMS = {
    "from": {"from", "to", "step", "count"},
    "file": {"file"},
    "glob": {"glob"},
}


class Lines(Sequence[str]):
    """The lines of a text file as values; only their places are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._count = sum(1 for _ in self)
        except OSError as error:
            raise InvalidRequest(
                f"{path} cannot be read: {error.strerror}.", field="file", value=str(path)
            ) from error

    def __iter__(self) -> Iterator[str]:
        with self._path.open(encoding="utf-8-sig") as file:
            yield from (line.rstrip("\n") for line in file if line.strip())

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        raise TypeError("the lines of a file are read in order")


@dataclass(frozen=True)
class Axis:
    """Names whose values go together, step by step; one name is the usual case."""

    values: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def __iter__(self) -> Iterator[Values]:
        for step in zip(*self.values.values(), strict=True):
            yield dict(zip(self.values, step, strict=True))


def axes_of(matrix: Mapping[str, Any], zips: Sequence[Mapping[str, Any]], folder: Path) -> list[Axis]:
    """The axes of a template: each table of `zips`, then each name of `matrix`. The last one varies fastest.

    Raises:
        InvalidRequest: a form nobody knows, lists of different lengths, a name used twice.
    """
    axes = [_zip(table, folder) for table in zips]
    axes += [Axis({name: values_of(name, given, folder)}) for name, given in matrix.items()]
    names = [name for axis in axes for name in axis.values]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise InvalidRequest(f"`{doubled}` is given twice.", field=doubled)
    return axes


def combinations(axes: Sequence[Axis]) -> Iterator[Values]:
    """Every combination; the axes are walked again and again instead of being copied."""
    if not axes:
        yield {}
        return
    first, rest = axes[0], axes[1:]
    for values in first:
        for others in combinations(rest):
            yield {**values, **others}


def count(axes: Sequence[Axis]) -> int:
    """How many combinations there are."""
    total = 1
    for axis in axes:
        total *= len(axis)
    return total


def values_of(name: str, given: Any, folder: Path) -> Sequence[Any]:
    """The values of one name: a list, `{from, to}`, `{from, count}`, `{file}`, `{glob}`, or one value.

    `to` is the last value. Paths are below `folder`.
    """
    if isinstance(given, list):
        found: Sequence[Any] = given
    elif not isinstance(given, Mapping):
        found = [given]
    else:
        found = _of_form(name, given, folder)
    if not found:
        raise InvalidRequest(f"`{name}` has no values.", field=name, value=given)
    return found


def _of_form(name: str, given: Mapping[str, Any], folder: Path) -> Sequence[Any]:
    form = next((form for form, keys in FORMS.items() if form in given and given.keys() <= keys), None)
    if form is None:
        raise InvalidRequest(
            f"`{name}`: {dict(given)} means no values.",
            field=name,
            value=dict(given),
            remedy="Write a list, {from, to}, {from, count}, {file} or {glob}.",
        )
    if form == "from":
        return _range(name, given)
    if form == "file":
        return Lines(folder / given["file"])
    return files_fitting(folder, given["glob"])


def _range(name: str, given: Mapping[str, Any]) -> Sequence[Any]:
    first, step = given["from"], given.get("step", 1)
    if ("to" in given) == ("count" in given):
        raise InvalidRequest(f"`{name}`: give either `to` or `count`.", field=name, value=dict(given))
    numbers = [first, step, given.get("to", 0), given.get("count", 1)]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers) or not step:
        raise InvalidRequest(
            f"`{name}`: a range is made of numbers, its step is not 0.", field=name, value=dict(given)
        )
    steps = given["count"] if "count" in given else int((given["to"] - first) / step + 1e-9) + 1
    if all(isinstance(one, int) for one in (first, step, steps)):
        return range(first, first + step * steps, step)
    return [round(first + step * place, 12) for place in range(int(steps))]


def _zip(table: Mapping[str, Any], folder: Path) -> Axis:
    values = {name: values_of(name, given, folder) for name, given in table.items()}
    lengths = {name: len(found) for name, found in values.items()}
    if not values or len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items()) or "it is empty"
        raise InvalidRequest(f"`zip`: its lists must be equally long; {told}.", field="zip", value=lengths)
    return Axis(values)
