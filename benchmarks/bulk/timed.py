"""A bulk run whose rendering is timed from the moment that its backend is ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omni_jobs.bulk.backend import Backend
from omni_jobs.bulk.destination import Folder
from omni_jobs.bulk.manifest import Line, open_manifest
from omni_jobs.bulk.run import Run
from omni_jobs.bulk.workplace import Workplace
from omni_jobs.schemas import ModelCard


def run_seconds(manifest: Path, out: Path, backend: Backend, warm: Sequence[Line] = ()) -> float:
    """Seconds from a ready backend, which has rendered the `warm` lines, to the last row; all must succeed."""
    ready: list[float] = []
    start = backend.start

    async def started() -> Mapping[str, ModelCard]:
        cards = await start()
        await asyncio.gather(*(backend.render(line, 0) for line in warm))
        ready.append(time.perf_counter())
        return cards

    backend.start = started  # type: ignore[method-assign]
    ended: list[float] = []

    def show(status: Mapping[str, Any]) -> None:
        if status["state"] == "finished":
            ended.append(time.perf_counter())

    run = Run(open_manifest(manifest), backend, Workplace(Folder(out), out, exclusive=True), show=show)
    status = asyncio.run(run())
    if status["succeeded"] != status["total"]:
        raise SystemExit(f"not all lines were rendered: {status}")
    return ended[0] - ready[0]
