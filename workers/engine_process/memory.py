"""How full the memory is that a worker draws in: its devices', told by the engine process, and the host's.

For whoever watches the pool; what the batcher plans with is measured around each forward (`stepping/meter.py`).
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

#: The devices are asked at most this often: a question takes some hundred microseconds of the loop.
EVERY_SECONDS = 5.0
MEMINFO = Path("/proc/meminfo")


class MemoryNews:
    """The engine process's own word, for its messages. For the thread that turns the engines."""

    def __init__(self) -> None:
        self._due_at = 0.0

    def told(self) -> dict[str, dict[str, int]]:
        """`{"memory": ...}` now and then, else nothing; never anything from a process that uses no GPU itself."""
        if time.monotonic() < self._due_at:
            return {}
        self._due_at = time.monotonic() + EVERY_SECONDS
        found = device_memory()
        return {} if found is None else {"memory": found}


def device_memory() -> dict[str, int] | None:
    """Bytes in use (by anybody) and in all, over the GPUs on which this process keeps anything."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    own = [index for index in range(torch.cuda.device_count()) if torch.cuda.memory_reserved(index)]
    pairs = [torch.cuda.mem_get_info(index) for index in own]
    if not pairs:
        return None
    total = sum(whole for _, whole in pairs)
    return {"used_bytes": total - sum(free for free, _ in pairs), "total_bytes": total}


def host_memory(meminfo: Path = MEMINFO) -> dict[str, int] | None:
    """Bytes that are not available and bytes in all, of this machine; None where the system does not say."""
    try:
        found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", meminfo.read_text(), re.MULTILINE))
        total, available = (int(found[name]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError):
        return None
    return {"used_bytes": total - available, "total_bytes": total}
