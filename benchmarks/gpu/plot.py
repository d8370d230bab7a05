"""One picture of the figures: throughput over batch size, one line per model and size, as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 420, 60, 40, 40, 220
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8d5a97", "#e07a2f", "#4a4e69", "#2a9d8f", "#b56576")


def gain_of(row: dict[str, Any], entry: dict[str, Any]) -> float:
    """Throughput of a batch over the bare loop's."""
    return float(entry["batch"] * row["bare_step_seconds"] / entry["step_seconds"])


def plot(rows: Sequence[dict[str, Any]], device: str) -> str:
    """Steps per second relative to the bare loop at batch 1, against the batch size."""
    batches = sorted({entry["batch"] for row in rows for entry in row["ours"]})
    scale = 1.05 * max([1.0, *(gain_of(row, entry) for row in rows for entry in row["ours"])])

    def place(batch: int, gain: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * batches.index(batch) / max(1, len(batches) - 1)
        return f"{across:.1f},{HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * gain / scale:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<text x="{LEFT}" y="22">Throughput of shared steps over the bare loop at batch 1 ({device})</text>',
    ]
    for gain in range(int(scale) + 1):
        y = place(batches[0], gain).split(",")[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y}" text-anchor="end">{gain}x</text>')
    for batch in batches:
        x = place(batch, 0).split(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{batch}</text>')
    for index, row in enumerate(rows):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(place(entry["batch"], gain_of(row, entry)) for entry in row["ours"])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        line = TOP + 18 * index
        parts.append(
            f'<text x="{WIDTH - RIGHT + 16}" y="{line}" fill="{colour}">{row["model"]} {row["side"]}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
