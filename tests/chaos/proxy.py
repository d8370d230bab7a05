"""A TCP proxy that injects faults: delays, resets, refusals, black holes, half-open connections, lost answers.

One per client process and server, all on one event loop in a thread. A tripwire waits for bytes of a request and
then acts, before the server gets them or after it has answered: so a process is killed at a named point, and an
answer is lost, without a hook in the product.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

CHUNK_BYTES = 65536
#: A closing socket sends RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What happens to traffic; connections that are open stay so."""

    PASS = "pass"
    DELAY = "delay"  # each chunk waits
    HOLE = "hole"  # nothing passes, and nobody is told; what was sent arrives after healing
    REFUSE = "refuse"  # new connections are reset


@dataclass
class Tripwire:
    """Acts once, on the first request that contains all `marks`. Either way the client gets a reset, no answer."""

    marks: Sequence[bytes]
    when: Literal["before", "after"]
    act: Callable[[], object] = lambda: None
    has_sprung: threading.Event = field(default_factory=threading.Event)

    def matches(self, data: bytes) -> bool:
        return not self.has_sprung.is_set() and all(mark in data for mark in self.marks)

    def spring(self) -> None:
        self.has_sprung.set()
        self.act()


class Loop:
    """The event loop of all proxies, in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Link:
    """One connection through the proxy: the client's side and the server's."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.is_half_open = False
        self.awaited: Tripwire | None = None

    def reset(self) -> None:
        for side in (self.client, self.server):
            abort(side)

    def halve(self) -> None:
        self.is_half_open = True
        abort(self.server)


class Proxy:
    """Listens on a free port of loopback for one server. Methods may be called from any thread."""

    def __init__(self, loop: Loop, name: str, target: tuple[str, int]) -> None:
        self.name = name
        self._loop = loop
        self._target = target
        self._mode = Mode.PASS
        self._delay_seconds = 0.0
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tripwires: list[Tripwire] = []
        self._healed = asyncio.Event()
        self._server = loop.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def set(self, mode: Mode, delay_seconds: float = 0.0) -> None:
        """From now on; PASS lets through what was held."""
        self._call(lambda: self._set(mode, delay_seconds))

    def reset(self) -> None:
        """RST on every connection, both sides."""
        self._each(Link.reset)

    def half_open(self) -> None:
        """The server's sides end; the clients are not told, and what they send is lost."""
        self._each(Link.halve)

    def trip(self, wire: Tripwire) -> None:
        """Lay a tripwire; `untrip` takes it up."""
        self._call(lambda: self._tripwires.append(wire))

    def untrip(self, wire: Tripwire) -> None:
        self._call(lambda: self._tripwires.remove(wire))

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._loop.run(end())

    def _each(self, act: Callable[[Link], None]) -> None:
        def act_on_all() -> None:
            for link in tuple(self._links):
                act(link)

        self._call(act_on_all)

    def _call(self, act: Callable[[], object]) -> None:
        async def run() -> None:
            act()

        self._loop.run(run())

    def _set(self, mode: Mode, delay_seconds: float) -> None:
        self._mode, self._delay_seconds = mode, delay_seconds
        self._healed.set()
        self._healed = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connect(reader, client)
        except (OSError, asyncio.CancelledError):
            abort(client)
        finally:
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        await self._gate()
        if self._mode is Mode.REFUSE:
            raise ConnectionRefusedError
        answers, server = await asyncio.open_connection(*self._target)
        link = Link(client, server)
        self._links.add(link)
        try:
            back = asyncio.ensure_future(self._pump_back(answers, link))
            try:
                await self._pump(reader, link)
                if not link.is_half_open:
                    await back
            finally:
                back.cancel()
        finally:
            self._links.discard(link)
            link.reset()

    async def _pump(self, reader: asyncio.StreamReader, link: Link) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._gate()
            wire = next((wire for wire in self._tripwires if wire.matches(data)), None)
            if wire is not None and wire.when == "before":
                wire.spring()
                link.reset()
                return
            link.awaited = wire
            if not link.is_half_open:
                link.server.write(data)
                await link.server.drain()
        if link.server.can_write_eof() and not link.is_half_open:
            link.server.write_eof()

    async def _pump_back(self, reader: asyncio.StreamReader, link: Link) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._gate()
                if link.awaited is not None:
                    link.awaited.spring()
                    break
                link.client.write(data)
                await link.client.drain()
        if not link.is_half_open:
            link.reset()

    async def _gate(self) -> None:
        while self._mode is Mode.HOLE:
            await self._healed.wait()
        if self._mode is Mode.DELAY:
            await asyncio.sleep(self._delay_seconds)


def abort(side: asyncio.StreamWriter) -> None:
    """Close with RST."""
    sock: socket.socket | None = side.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    side.transport.abort()
