"""`python -m workers.bulk FD`: the child of `omni-jobs bulk run --local`, at one end of a socket pair.

The first message configures it; then lines come in and results go out, JSON a line. It ends when the socket
closes, and its engine process with it, so that nothing stays behind a run that was killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from omni_jobs.bulk.destination import open_destination
from omni_jobs.bulk.manifest import Line
from omni_jobs.bulk.paths import PathTemplate
from omni_jobs.errors import Misconfigured, OmniJobsError
from omni_jobs.logs import configure_logs
from omni_jobs.schemas import JobRequest, ModelCard
from omni_jobs.settings import load_settings
from workers.bulk.renderer import Renderer
from workers.credentials import open_signature
from workers.engine_process import EngineProcess
from workers.engine_process.messages import Channel
from workers.lora_folder import LoraFolder, open_folder, with_loras
from workers.registry import ModelRow, read_rows
from workers.spool_folder import own_spool

#: As `Omni` does: who renders a manifest wants company.
CAPS = "fixed(8)"
#: The last word of a run that ends in order.
CLOSE = {"kind": "close"}
#: Phases of a model that is not there yet.
BEGINNING = ("starting", "loading")

Message = Mapping[str, Any]


def main(descriptor: int) -> int:
    """Serve one run. Returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides when we end, not the terminal
    channel = Channel(socket.socket(fileno=descriptor))
    messages = channel.receive()
    setup = next(messages, None)
    if setup is None:
        return 0
    orders: SimpleQueue[Message] = SimpleQueue()
    threading.Thread(target=read, args=(messages, orders), name="orders", daemon=True).start()
    try:
        with Rendering(setup, channel.send) as renderer:
            for order in iter(orders.get, CLOSE):
                if order["kind"] == "cancel":
                    renderer.cancel()
                else:
                    renderer.render(line_from(order["line"]), order["generation"])
    except OmniJobsError as error:
        channel.send({"kind": "unable", "code": error.code, "message": error.message, "remedy": error.remedy})
        return 1
    except ConnectionError:
        return 0  # the run is gone, and the reader has not noticed yet
    return 0


def read(messages: Iterable[Message], orders: SimpleQueue[Message]) -> None:
    """Pass orders on; when the run is gone without a word, end at once, whatever the device is doing."""
    for message in messages:
        orders.put(message)
        if message == CLOSE:
            return
    os._exit(0)


class Rendering:
    """The models of a run while they are loaded. As a context it gives the renderer."""

    def __init__(self, setup: Message, send: Callable[[Message], object]) -> None:
        """Raises Misconfigured or Unavailable: a model's row or a setting of C2PA is not as it should be."""
        self._settings = load_settings()
        configure_logs("console", self._settings.log_level)
        self._setup = setup
        self._send = send
        self._rows = rows_of(setup)
        self._sign = open_signature(self._settings)
        self._changed = threading.Condition()
        self._renderer: Renderer | None = None
        self._spool = own_spool(self._settings.data_dir / "spool")
        self._engine = EngineProcess(
            self._rows, self._spool, self._on_change, caps=self._settings.data_dir / "caps"
        )

    def __enter__(self) -> Renderer:
        """Raises Misconfigured: a model does not load."""
        self._engine.start()
        try:
            with self._changed:
                self._changed.wait_for(lambda: not any(s.phase in BEGINNING for s in self._engine.models.values()))
            self._check_loaded()
            loras = {row.name: open_folder(row, self._settings, self._spool / "loras") for row in self._rows}
            renderer = Renderer(
                self._engine,
                loras,
                open_destination(self._setup["out"], self._settings),
                PathTemplate(self._setup["path"]),
                self._settings,
                self._spool,
                self._sign,
                lambda result: self._send({"kind": "result", "result": result.to_json()}),
                lambda text: self._send({"kind": "trouble", "text": text}),
            )
            cards = [self._card(row, loras[row.name]).model_dump(mode="json") for row in self._rows]
            self._send({"kind": "ready", "cards": cards})
        except BaseException:
            self._engine.close()
            raise
        self._renderer = renderer
        return renderer

    def __exit__(self, *_: object) -> None:
        if self._renderer is not None:
            self._renderer.close()
        self._engine.close()
        shutil.rmtree(self._spool, ignore_errors=True)

    def _on_change(self) -> None:
        with self._changed:
            self._changed.notify_all()
        if self._renderer is not None:
            self._renderer.look()

    def _check_loaded(self) -> None:
        for name, state in self._engine.models.items():
            if state.phase == "failed":
                raise Misconfigured(f"Model `{name}` does not load: {state.error}", field="model", value=name)

    def _card(self, row: ModelRow, loras: LoraFolder) -> ModelCard:
        card = ModelCard.model_validate(self._engine.models[row.name].card)
        return card if row.lora_folder is None else with_loras(card, loras.names())


def rows_of(setup: Message) -> list[ModelRow]:
    """The models to load: those of the configuration, each name of `models`, each NAME=SOURCE of `sources`."""
    config = Path(setup["config"]) if setup["config"] else None
    rows = read_rows(config, [*setup["models"], *setup["sources"]], setup["caps"])
    if setup["caps"] is not None:
        return rows
    return [replace(row, caps=CAPS) if row.caps == "measured" else row for row in rows]


def line_from(data: Message) -> Line:
    """A line as `Line.to_json` made it."""
    return Line(**{**data, "request": JobRequest.model_validate(data["request"])})


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
