"""Rows of a Parquet file, a batch at a time. Called by `rows`; needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omni_jobs.errors import InvalidRequest, Misconfigured

#: Rows decoded at a time.
BATCH_ROWS = 1024


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The values of each row by column; what is null, also within a struct, is absent.

    Raises:
        InvalidRequest: the file is no Parquet. Misconfigured: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise Misconfigured(
            f"{path}: reading Parquet needs pyarrow.",
            field="manifest",
            value=str(path),
            remedy="pip install 'omni-jobs[parquet]'.",
        ) from error
    try:
        with path.open("rb") as raw, parquet.ParquetFile(raw) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield from map(_without_nulls, batch.to_pylist())
    except pyarrow.ArrowException as error:
        raise InvalidRequest(f"{path}: {error}.", field="manifest", value=str(path)) from error


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if value is not None}
    return {name: _without_nulls(value) if isinstance(value, dict) else value for name, value in kept.items()}
