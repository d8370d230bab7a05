"""The service of the demo: `omni-jobs up` as a child on free ports, its data in the demo's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from omni_jobs.demo.child import started
from omni_jobs.settings import PREFIX

#: Jobs that share a forward, at most.
CAPS = "fixed(8)"


@dataclass(frozen=True)
class Running:
    """A service that takes jobs."""

    api_url: str
    data: Path


@contextmanager
def running(
    folder: Path, source: str | None, webhook_place: str, settings: Mapping[str, str]
) -> Iterator[Running]:
    """Start everything; ends it with the block.

    Args:
        folder: data and logs go there.
        source: a diffusers folder instead of the packaged weights.
        webhook_place: host:port of the receiver, which is not public and so must be allowed.
        settings: further `OMNI_` variables; those of our own environment do not reach the demo.

    Raises:
        Unavailable: it does not get ready.
    """
    model = f"shapes={source}" if source else "shapes"
    command = ["omni_jobs.cli", "up", "--end-with-input", "--model", model, "--caps", CAPS, "--port", "0"]
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment = {
        # One forward runs at a time; threads beyond that only fight on small machines.
        "OMP_NUM_THREADS": "1",
        **own,
        "OMNI_DATA_DIR": str(folder),
        "OMNI_WEBHOOK_ALLOW": webhook_place,
        **settings,
    }
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with started("The service", command, environment, folder / "up.log") as (_, line):
        yield Running(api_url=line.split()[1], data=folder)
