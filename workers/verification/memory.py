"""Does it fit: the weights beside the memory of the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from workers.footprint import weight_bytes
from workers.verification.faults import MEMORY_REMEDY
from workers.verification.finding import Finding, Group, check
from workers.verification.subject import Subject

GIB = 2**30
#: Above this share of the device no room is left for activations.
CROWDED = 0.85


@check("memory", Group.MEMORY)
def memory(subject: Subject) -> Iterator[Finding]:
    """Weights of all components against the device's memory."""
    held = weight_bytes(subject.inner)
    total = device_bytes(str(getattr(subject.inner, "device", "cpu")))
    text = f"weights of {held / GIB:.2f} GiB" + (f" on a device of {total / GIB:.1f} GiB" if total else "")
    crowded = bool(total) and held > CROWDED * total
    figures = {"weight_bytes": held, "device_bytes": total}
    yield Finding("memory", "warning" if crowded else "ok", text, MEMORY_REMEDY if crowded else None, figures)


def device_bytes(device: str) -> int:
    """Memory of a device; of the host for a CPU; 0 if it does not tell."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")), 0)
