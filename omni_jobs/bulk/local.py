"""Lines rendered by a child on this machine: no service, no Redis. It is started by its module's name.

The child loads the models and writes the outputs; here is only the conversation. If the child dies, the run ends
with what is written, and the next one goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omni_jobs.bulk.manifest import Line
from omni_jobs.bulk.results import Outcome, Result, ended
from omni_jobs.errors import EngineUnavailable, Misconfigured
from omni_jobs.schemas import ModelCard
from omni_jobs.settings import Settings

CHILD_MODULE = "workers.bulk"
#: Longest message of the child: a row of results with all its outputs.
MESSAGE_BYTES = 16 * 2**20
#: Time that the child has to end when it is told to.
CLOSE_SECONDS = 10.0


class LocalBackend:
    """The child, and the lines that it has."""

    def __init__(
        self, setup: Mapping[str, Any], settings: Settings, log_file: Path, *, in_flight: int = 64
    ) -> None:
        """`setup`: out, path, models, sources, config and caps, as the child takes them."""
        self.in_flight = in_flight
        self.trouble = ""
        self._setup = dict(setup)
        self._settings = settings
        self._log_file = log_file
        self._lines: dict[str, tuple[Line, asyncio.Future[Result]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._is_canceled = False

    async def start(self) -> Mapping[str, ModelCard]:
        reader = await self._spawn()
        self.trouble = "loading the models"
        first = await reader.readline()
        said: dict[str, Any] = json.loads(first) if first.endswith(b"\n") else {"kind": "gone"}
        if said["kind"] == "unable":
            raise Misconfigured(said["message"], remedy=said["remedy"])
        if said["kind"] != "ready":
            raise self._gone()
        self.trouble = ""
        self._reading = asyncio.create_task(self._read(reader))
        cards = [ModelCard.model_validate(card) for card in said["cards"]]
        return {card.name: card for card in cards}

    @property
    def jobs(self) -> list[str]:
        return []

    async def render(self, line: Line, generation: int) -> Result:
        if self._is_canceled:
            return ended(line, Outcome.CANCELED, generation=generation)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._lines[line.id] = line, future
        facts = asdict(line) | {"request": line.request.model_dump(mode="json", exclude_unset=True)}
        facts["request"]["seed"] = line.seed
        await self._send({"kind": "render", "line": facts, "generation": generation})
        return await future

    async def cancel(self) -> None:
        self._is_canceled = True
        await self._send({"kind": "cancel"})

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None and self._process is not None:
            try:
                await self._send({"kind": "close"})
                await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS)
            except (OSError, TimeoutError):
                self._process.kill()
                await self._process.wait()
            self._writer.close()

    async def _spawn(self) -> asyncio.StreamReader:
        ours, theirs = socket.socketpair()
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "OMNI_DATA_DIR": str(self._settings.data_dir)}
        with theirs, self._log_file.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", CHILD_MODULE, str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=environment,
            )
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=MESSAGE_BYTES)
        await self._send(self._setup)
        return reader

    async def _send(self, message: Mapping[str, Any]) -> None:
        assert self._writer is not None
        self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        await self._writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Results to those who wait for them, until the child is gone; then nobody waits any more."""
        while (line := await reader.readline()).endswith(b"\n"):
            message = json.loads(line)
            if message["kind"] == "trouble":
                self.trouble = message["text"]
                continue
            result = Result.from_json(message["result"])
            _, future = self._lines.pop(result.line_id)
            if not future.done():
                future.set_result(result)
        for _, future in self._lines.values():
            if not future.done():
                future.set_exception(self._gone())

    def _gone(self) -> EngineUnavailable:
        lines = self._log_file.read_text(errors="replace").splitlines()
        last = f" Its last words: {lines[-1][-300:]}" if lines else ""
        return EngineUnavailable(f"The renderer ended.{last}", remedy=f"See {self._log_file}, then run again.")
