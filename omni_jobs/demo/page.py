"""The demo's page: every picture with its words and what it cost. One file, nothing fetched, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from omni_jobs.demo.drawing import Drawn
from omni_jobs.demo.report import Report

STYLE = """
:root { color-scheme: light dark; --paper: #fafafa; --card: #fff; --ink: #1d2129; --soft: #667085;
        --line: #e4e7ec; --good: #067647; --bad: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0f1216; --card: #181c22; --ink: #e6e9ee; --soft: #98a2b3; --line: #2a303a;
          --good: #47cd89; --bad: #f97066; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 74rem; background: var(--paper); color: var(--ink);
       font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .8rem; }
p { margin: 0; color: var(--soft); max-width: 46rem; }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0 1rem; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .7rem 1rem; }
.figures b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.figures span, figcaption small { color: var(--soft); font-size: .8rem; }
ul { list-style: none; margin: 0; padding: 0; }
li::before { content: "\\2713"; color: var(--good); margin-right: .5rem; }
li.bad::before { content: "\\2717"; color: var(--bad); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem; }
.pairs { grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
         overflow: hidden; }
figure div { display: flex; align-items: center; }
figure div i { font-style: normal; padding: 0 .5rem; color: var(--soft); }
img { display: block; width: 100%; min-width: 0; aspect-ratio: 1; } figure div img { flex: 1; width: 0; }
figcaption { padding: .55rem .7rem .65rem; font-size: .88rem; line-height: 1.35; }
figcaption small { display: block; }
.wrong small { color: var(--bad); }
"""


def page(drawn: Sequence[Drawn], report: Report) -> str:
    """The page as HTML."""
    right = dict(zip((one.order.number for one in drawn), report.comparison.right, strict=True))
    pictures = {one.order.number: one.picture for one in drawn}
    generated = [_figure(one, right[one.order.number]) for one in drawn if one.order.source is None]
    edited = [
        _figure(one, right[one.order.number], pictures[one.order.source])
        for one in drawn
        if one.order.source is not None
    ]
    checks = "".join(f"<li{'' if one.ok else ' class=bad'}>{escape(one.words)}</li>" for one in report.checks())
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>omni-jobs demo</title>
<style>{STYLE}</style>
<h1>omni-jobs demo</h1>
<p>{report.jobs} jobs with different prompts, seeds and step counts, submitted over HTTP, drawn by an unmodified
diffusers pipeline whose calls shared their forwards, stored, and told of by signed webhooks.</p>
<div class="figures">{_figures(report)}</div>
<ul>{checks}</ul>
<h2>Generated</h2>
<div class="grid">{"".join(generated)}</div>
<h2>Edited</h2>
<div class="grid pairs">{"".join(edited)}</div>
</html>
"""


def _figures(report: Report) -> str:
    figures = {
        "jobs": f"{report.jobs}",
        "seconds": f"{report.seconds:.1f}",
        "pictures per second": f"{report.images_per_second:.1f}",
        "calls per forward": f"{report.calls_per_forward:.2f}",
        "largest batch": f"{report.max_batch}",
        "show what was asked": f"{report.right} of {report.jobs}",
        "storage": report.storage,
    }
    return "".join(f"<div><b>{escape(value)}</b><span>{name}</span></div>" for name, value in figures.items())


def _figure(one: Drawn, right: bool, before: Path | None = None) -> str:
    order = one.order
    facts = f"seed {order.seed}, {order.steps} steps" + ("" if right else ": not what was asked")
    images = _image(one.picture, order.prompt)
    if before is not None:
        images = f"<div>{_image(before, 'before')}<i>&rarr;</i>{images}</div>"
    wrong = "" if right else ' class="wrong"'
    return f"<figure{wrong}>{images}<figcaption>{escape(order.prompt)}<small>{facts}</small></figcaption></figure>"


def _image(path: Path, words: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(words)}">'
