"""The engine process: owns the devices of one worker. A fault of the device kills this, not the consumer.

Started by the worker as `python -m workers.engine_process.child FD`. The main thread loads the models and turns
the engines; one thread reads requests; one writes outputs to the spool, so that the device never waits for it.
It ends when its pipe closes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote

from workers.engine.engine import DiffusionEngine
from workers.engine.executor import DeviceLost
from workers.engine.request import (
    EngineEvent,
    RequestCanceled,
    RequestCheckpoint,
    RequestFailed,
    RequestFinished,
    RequestNotSaved,
    RequestPreview,
    RequestProgress,
    RequestResumed,
)
from workers.engine_process.describe import Rates
from workers.engine_process.errors import error_json
from workers.engine_process.extras import plain_metrics
from workers.engine_process.memory import MemoryNews
from workers.engine_process.messages import Channel, RenderRequest
from workers.engine_process.residency import Action, Budget
from workers.engine_process.residents import Residents
from workers.engine_process.respawning import DEVICE_LOST
from workers.engine_process.served import ServedModel
from workers.engine_process.spool import write_spool
from workers.registry import ModelRow

#: Exit status when no model could be loaded.
NOTHING_LOADED = 3

#: What the writing thread sends in the order in which it came, an output's end included.
Written = RequestPreview | RequestCheckpoint | RequestCanceled


@dataclass(frozen=True)
class Owner:
    """Whose a request in flight is, and how fast its output is to be played."""

    served: ServedModel
    rates: Rates


class EngineChild:
    """All engines of the process, turned one after another by the main thread."""

    def __init__(
        self,
        channel: Channel,
        rows: list[ModelRow],
        spool: Path,
        caps: Path | None,
        budget: Budget,
        checkpoint_seconds: float,
    ) -> None:
        self._channel = channel
        self._caps = caps
        self._checkpoint_seconds = checkpoint_seconds
        self._spool = spool
        self._residents = Residents(rows, budget, self._load, channel.send, self._fail)
        self._owners: dict[str, Owner] = {}
        self._outputs: SimpleQueue[tuple[Owner, RequestFinished] | Written] = SimpleQueue()
        self._wake = threading.Event()
        self._memory = MemoryNews()

    def run(self) -> int:
        """Load every model, then turn the engines for ever. Returns only if nothing could be loaded.

        Raises:
            EngineUnavailable: a model has lost its devices; a fresh process brings them back.
        """
        if not self._residents.load_all():
            return NOTHING_LOADED
        threading.Thread(target=self._write_outputs, name="outputs", daemon=True).start()
        while True:
            self._wake.clear()
            moved = self._residents.settle()
            if not any([engine.advance() for engine in self._residents.engines]) and not moved:
                self._channel.send({"kind": "idle", "merging": self._residents.reports(), **self._memory.told()})
                self._wake.wait()
                for engine in self._residents.engines:
                    engine.check_health()

    def close(self) -> None:
        """End the processes of models on several devices, and wait for them; from any thread, the last call."""
        self._residents.close()

    def handle(self, message: dict[str, Any]) -> None:
        """One message of the worker, on the reader's thread."""
        match message["kind"]:
            case "submit":
                self._submit(RenderRequest.from_json(message["request"]))
            case "cancel" | "hand_back" as kind:
                self._cancel(message["request_id"], saves=kind == "hand_back")
            case "change":
                self._residents.ask(Action(message["action"]), message["model"], ModelRow(**message["row"]))
        self._wake.set()

    def _load(self, row: ModelRow, rules: Sequence[Mapping[str, Any]]) -> tuple[DiffusionEngine, ServedModel]:
        caps_file = str(self._caps / f"{quote(row.name, safe='')}.json") if self._caps else None
        config = row.engine_config()
        config = replace(
            config,
            caps_file=caps_file,
            merge_rules=rules or config.merge_rules,
            checkpoint_seconds=self._checkpoint_seconds,
        )
        engine, served = ServedModel.load(row, config, self._on_event, self._on_batch)
        engine.executor.register_failure_callback(self._wake.set)
        return engine, served

    def _submit(self, request: RenderRequest) -> None:
        try:
            served = self._residents.served(request.model)
            self._owners[request.request_id] = Owner(served, served.rates_of(request.parameters))
            taken = replace(served.read(request), resumable=self._checkpoint_seconds > 0)
            self._residents.submit(request.model, taken)
        except Exception as error:  # noqa: BLE001  whatever is wrong with a request is that request's failure
            self._fail(request.request_id, error)

    def _cancel(self, request_id: str, *, saves: bool) -> None:
        owner = self._owners.get(request_id)
        if owner is not None and self._residents.cancel(owner.served.row.name, request_id, saves=saves):
            self._on_event(RequestCanceled(request_id))

    def _fail(self, request_id: str, error: BaseException) -> None:
        self._end(request_id)
        self._channel.send(failed(request_id, error))

    def _on_batch(self, request_ids: tuple[str, ...]) -> None:
        """The flight record: known to the worker before the device begins."""
        if request_ids:
            self._channel.send({"kind": "batch", "request_ids": request_ids, **self._memory.told()})
        else:
            self._channel.hold({"kind": "batch", "request_ids": ()})

    def _on_event(self, event: EngineEvent) -> None:
        match event:
            case RequestProgress(request_id, lane, step, steps):
                progress = {"request_id": request_id, "lane": lane, "step": step, "steps": steps}
                self._channel.hold({"kind": "progress", **progress})
            case RequestPreview() | RequestCheckpoint():
                self._outputs.put(event)
            case RequestResumed(request_id, step, refused):
                self._channel.send({"kind": "resumed", "request_id": request_id, "step": step, "refused": refused})
            case RequestNotSaved(request_id, reason):
                self._channel.hold({"kind": "not_saved", "request_id": request_id, "reason": reason})
            case RequestFinished(request_id):
                self._outputs.put((self._owners[request_id], event))
                self._end(request_id)
            case RequestFailed(request_id, error):
                self._fail(request_id, error)
            case RequestCanceled(request_id):
                self._end(request_id)
                self._outputs.put(event)  # after its last checkpoint

    def _end(self, request_id: str) -> None:
        self._owners.pop(request_id, None)

    def _write_outputs(self) -> None:
        while True:
            match self._outputs.get():
                case RequestPreview() as preview:
                    self._send_file("preview", preview, preview.rgb, (preview.height, preview.width, 3))
                case RequestCheckpoint() as saved:
                    self._send_checkpoint(saved)
                case RequestCanceled(request_id):
                    self._channel.send({"kind": "canceled", "request_id": request_id})
                case owner, event:
                    self._send_output(owner, event)

    def _send_output(self, owner: Owner, event: RequestFinished) -> None:
        try:
            files = owner.served.spool(event.output, self._spool, owner.rates)
        except Exception as error:  # noqa: BLE001  the model's own post-processing may raise anything
            self._channel.send(failed(event.request_id, error))
            return
        self._channel.send(
            {
                "kind": "finished",
                "request_id": event.request_id,
                "files": [file.to_json() for file in files],
                "metrics": plain_metrics(event.output.metrics),
            }
        )

    def _send_checkpoint(self, event: RequestCheckpoint) -> None:
        content = event.checkpoint.to_bytes()
        self._send_file("checkpoint", event, content, (len(content),))

    def _send_file(
        self, kind: str, event: RequestPreview | RequestCheckpoint, content: bytes, shape: tuple[int, ...]
    ) -> None:
        try:
            file = write_spool(self._spool, content, shape)
        except OSError:
            return  # droppable; the output itself will tell that the disk is full
        message = {"request_id": event.request_id, "step": event.step, "file": file.to_json()}
        cost = {"seconds": event.seconds} if isinstance(event, RequestCheckpoint) else {}
        self._channel.send({"kind": kind, **message, **cost})


def failed(request_id: str, error: BaseException) -> dict[str, Any]:
    """The message that ends a request with its own error."""
    return {"kind": "failed", "request_id": request_id, "error": error_json(error)}


def main(descriptor: int) -> int:
    """Entry point: configure from the first message, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides when we end, not the terminal
    channel = Channel(socket.socket(fileno=descriptor))
    messages = channel.receive()
    first = next(messages, None)
    if first is None:
        return 0
    rows = [ModelRow(**row) for row in first["rows"]]
    caps = Path(first["caps"]) if first["caps"] else None
    budget = Budget(**first["budget"])
    child = EngineChild(channel, rows, Path(first["spool"]), caps, budget, first["checkpoint_seconds"])

    def read() -> None:
        for message in messages:
            child.handle(message)
        child.close()
        os._exit(0)  # the worker is gone: end, whatever the device is doing

    threading.Thread(target=read, name="requests", daemon=True).start()
    try:
        return child.run()
    except DeviceLost as error:
        sys.stderr.write(f"device lost: {error}\n")
        return DEVICE_LOST
    except ConnectionError:
        return 0  # the worker is gone, and the reader has not noticed yet
    finally:
        child.close()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
