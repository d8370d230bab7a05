"""The page of a run, for people: contact sheets, speed over time, errors by cause. It needs nothing but itself.

Written beside the results, as `report.html` and pictures below `report/`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from PIL import Image

from omni_jobs.bulk.destination import Destination
from omni_jobs.bulk.results import Outcome
from omni_jobs.bulk.summary import Cause, Shown, Summary, speeds
from omni_jobs.errors import OmniJobsError

REPORT = "report.html"
COLUMNS, ROWS, TILE_PIXELS, GAP_PIXELS = 10, 5, 112, 4
BARS, BAR_WIDTH, BARS_HEIGHT = 120, 8, 160
STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
td, th { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } .sheet { overflow-x: auto; }
rect { fill: #4a7ebb; } code { overflow-wrap: anywhere; }
"""


def write_report(destination: Destination, summary: Summary, status: Mapping[str, Any]) -> str:
    """Write page and sheets; returns the page's key. An output that cannot be shown is left out.

    Raises:
        StorageUnavailable: it cannot be written.
    """
    per_sheet = COLUMNS * ROWS
    pictures = [one for one in summary.sample if one.output.content_type.startswith("image/")]
    sheets = []
    for number, start in enumerate(range(0, len(pictures), per_sheet), 1):
        shown = pictures[start : start + per_sheet]
        key = f"report/sheet-{number:03d}.jpg"
        destination.write(key, sheet(destination, shown), "image/jpeg")
        sheets.append(sheet_html(key, shown))
    page = page_html(summary, status, sheets, destination.place)
    destination.write(REPORT, page.encode(), "text/html; charset=utf-8")
    return REPORT


def sheet(destination: Destination, shown: Sequence[Shown]) -> bytes:
    """Small pictures in rows, a JPEG."""
    step = TILE_PIXELS + GAP_PIXELS
    paper = Image.new("RGB", (COLUMNS * step, -(-len(shown) // COLUMNS) * step), (128, 128, 128))
    for number, one in enumerate(shown):
        left, top = _place(number)
        try:
            with Image.open(io.BytesIO(destination.read(one.output.key))) as picture:
                small = picture.convert("RGB")
        except (OmniJobsError, OSError):
            continue
        small.thumbnail((TILE_PIXELS, TILE_PIXELS))
        paper.paste(small, (left + (TILE_PIXELS - small.width) // 2, top + (TILE_PIXELS - small.height) // 2))
    content = io.BytesIO()
    paper.save(content, "JPEG", quality=88)
    return content.getvalue()


def sheet_html(key: str, shown: Sequence[Shown]) -> str:
    """A sheet, each picture of which leads to its file."""
    name = key.rpartition("/")[2].partition(".")[0]
    areas = []
    for number, one in enumerate(shown):
        left, top = _place(number)
        corners = f"{left},{top},{left + TILE_PIXELS},{top + TILE_PIXELS}"
        words = escape(f"line {one.line}, seed {one.output.seed}")
        areas.append(
            f'<area coords="{corners}" href="{escape(one.output.key)}" alt="{words}" title="{words}" shape="rect">'
        )
    width = COLUMNS * (TILE_PIXELS + GAP_PIXELS)
    picture = f'<img src="{key}" usemap="#{name}" width="{width}" loading="lazy" alt="contact sheet">'
    return f'<p class="sheet">{picture}</p><map name="{name}">{"".join(areas)}</map>'


def page_html(summary: Summary, status: Mapping[str, Any], sheets: Sequence[str], place: str) -> str:
    """The whole page."""
    counts = [(str(outcome), summary.outcomes[outcome]) for outcome in Outcome if summary.outcomes[outcome]]
    facts = [
        *counts,
        ("outputs", summary.outputs),
        ("written", f"{summary.size_bytes / 2**20:.1f} MiB"),
        ("device time", f"{summary.device_seconds:.1f} s"),
        ("state", f"{status['state']}, {status['updated_at']}"),
    ]
    rows = "".join(f'<tr><th>{escape(name)}</th><td class="number">{value}</td></tr>' for name, value in facts)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Bulk run {escape(place)}</title><style>{STYLE}</style>
<h1>Bulk run</h1><p><code>{escape(place)}</code></p>
<table>{rows}</table>
<h2>Speed</h2>{bars_html(speeds(summary.seconds, BARS))}
<h2>Errors</h2>{causes_html(list(summary.causes.values()))}
<h2>Outputs</h2><p>{len(summary.sample)} of {summary.outputs}, evenly taken.</p>{"".join(sheets)}
</html>
"""


def bars_html(found: Sequence[float]) -> str:
    """Bars of outputs per second."""
    if not found:
        return "<p>Nothing was rendered.</p>"
    highest = max(found)
    bars = "".join(
        f'<rect x="{number * BAR_WIDTH}" y="{BARS_HEIGHT * (1 - speed / highest):.1f}" width="{BAR_WIDTH - 1}" '
        f'height="{BARS_HEIGHT * speed / highest:.1f}"><title>{speed:.2f}/s</title></rect>'
        for number, speed in enumerate(found)
    )
    label = f"Outputs per second over time, at most {highest:.2f}"
    width = len(found) * BAR_WIDTH
    return (
        f'<p>{label}</p><svg role="img" aria-label="{label}" width="{width}" height="{BARS_HEIGHT}">{bars}</svg>'
    )


def causes_html(causes: Sequence[Cause]) -> str:
    """A table of causes, the most frequent first."""
    if not causes:
        return "<p>None.</p>"
    rows = "".join(
        f'<tr><td class="number">{cause.count}</td><td><code>{escape(cause.code)}</code></td>'
        f"<td>{escape(cause.message)} {escape(cause.remedy or '')}</td><td>{', '.join(map(str, cause.lines))}"
        f"{', …' if cause.count > len(cause.lines) else ''}</td></tr>"
        for cause in sorted(causes, key=lambda one: -one.count)
    )
    return f"<table><tr><th>count</th><th>code</th><th>the first says</th><th>lines</th></tr>{rows}</table>"


def _place(number: int) -> tuple[int, int]:
    """Left and top of a small picture on its sheet, in pixels."""
    step = TILE_PIXELS + GAP_PIXELS
    return number % COLUMNS * step, number // COLUMNS * step
