"""Who renders, and whose catalogue lines are checked against: the service, or a child of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from omni_jobs.bulk.destination import Destination
from omni_jobs.bulk.local import LocalBackend
from omni_jobs.bulk.manifest import Line, Manifest
from omni_jobs.bulk.order import WINDOW_LINES
from omni_jobs.bulk.paths import DEFAULT_PATH, PathTemplate
from omni_jobs.bulk.through_queue import QueueBackend
from omni_jobs.cli.context import Cli
from omni_jobs.client import AsyncClient
from omni_jobs.schemas import ModelCard


def local_backend(cli: Cli, facts: Mapping[str, Any], manifest: Manifest, log_file: Path) -> LocalBackend:
    """A child of this process. Without other word it loads what the first lines name."""
    first = (entry for entry in islice(manifest.entries(), WINDOW_LINES) if isinstance(entry, Line))
    is_given = facts["config"] or facts["sources"]
    models = [] if is_given else sorted({line.request.model for line in first})
    setup = {name: facts[name] for name in ("out", "path", "sources", "config", "caps")} | {"models": models}
    return LocalBackend(setup, cli.settings(), log_file, in_flight=facts["in_flight"])


def queue_backend(cli: Cli, facts: Mapping[str, Any], destination: Destination) -> QueueBackend:
    """The service."""
    settings = cli.settings()
    key = settings.api_key.get_secret_value() if settings.api_key else None
    return QueueBackend(
        AsyncClient(cli.address(), api_key=key),
        destination,
        PathTemplate(facts["path"]),
        settings,
        priority=facts["priority"],
        in_flight=facts["in_flight"],
    )


def catalogue(cli: Cli, manifest: Manifest, local: Mapping[str, Any]) -> dict[str, ModelCard]:
    """The models by name, those of the service or (`local`) loaded here for it.

    Raises:
        Unavailable: no service answers. Misconfigured: a model does not load.
    """
    if not local["local"]:
        with cli.client() as client:
            return {card.name: card for card in client.models()}
    settings = cli.settings()
    facts = {**local, "out": str(settings.data_dir), "path": DEFAULT_PATH, "in_flight": 1}
    backend = local_backend(cli, facts, manifest, settings.data_dir / "bulk" / "renderer.log")

    async def cards() -> dict[str, ModelCard]:
        try:
            return dict(await backend.start())
        finally:
            await backend.close()

    return asyncio.run(cards())
