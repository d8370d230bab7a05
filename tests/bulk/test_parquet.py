"""A Parquet table is a manifest: its columns as those of a CSV, with their types."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from omni_jobs.bulk.manifest import Line, Problem, open_manifest
from omni_jobs.errors import InvalidRequest


def table(folder: Path, **columns: list[Any]) -> Path:
    path = folder / "jobs.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_columns_keep_their_types_and_nulls_are_absent(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        prompt=["007", "a fox"],
        seed=[5, None],
        width=[64, 32],
        output=[{"format": "webp", "quality": None}, None],
        colour=["red", "blue"],
    )
    manifest = open_manifest(path, {"model": "m", "prompt": "{prompt} in {colour}"})
    first, second = [entry for entry in manifest.entries() if isinstance(entry, Line)]
    assert manifest.count() == 2
    assert (first.number, first.request.prompt, first.seed) == (1, "007 in red", 5)
    assert first.request.parameters == {"width": 64}
    assert first.request.output.format == "webp"
    assert (second.number, second.request.prompt, second.request.output.format) == (2, "a fox in blue", None)


def test_a_value_that_no_job_holds_is_a_problem_of_its_row(tmp_path: Path) -> None:
    path = table(tmp_path, prompt=["a", "b"], width=[None, datetime.date(2026, 1, 1)])
    good, bad = open_manifest(path, {"model": "m"}).entries()
    assert isinstance(good, Line)
    assert isinstance(bad, Problem)
    assert (bad.number, bad.column) == (2, "width")
    assert "date" in bad.message


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.parquet"
    path.write_text('{"prompt": "a"}\n')
    with pytest.raises(InvalidRequest, match=r"jobs\.parquet"):
        list(open_manifest(path).entries())
