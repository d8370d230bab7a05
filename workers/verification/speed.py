"""How fast is it beside plain diffusers: one at a time, and together?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from workers.verification.compare import denoisers, precision
from workers.verification.finding import Finding, Group, check
from workers.verification.subject import Subject

#: Requests that are timed, and how much slower than diffusers is worth a word.
TIMED = 4
SLOWER = 1.15


@check("speed", Group.SPEED)
def speed(subject: Subject) -> Iterator[Finding]:
    """The same requests by plain calls, here one at a time, and here together; all warmed up."""
    requests = subject.requests(TIMED)
    single, shared = subject.engine(caps="fixed(1)"), subject.engine(caps=f"fixed({TIMED})")
    ways: dict[str, Callable[[], Any]] = {
        "diffusers": lambda: [subject.plain(request) for request in requests],
        "one_at_a_time": lambda: [subject.together([request], single) for request in requests],
        "together": lambda: subject.together(requests, shared),
    }
    seconds = {name: _seconds(way) for name, way in ways.items()}
    plain, alone, joined = seconds["diffusers"], seconds["one_at_a_time"], seconds["together"]
    text = (
        f"{TIMED} outputs of about {subject.steps} steps: diffusers {plain:.2f} s, "
        f"here one at a time {alone:.2f} s, together {joined:.2f} s ({plain / joined:.2f} times as fast)"
    )
    slow = min(alone, joined) > SLOWER * plain
    remedy = 'Set caps = "fixed(1)" where sharing does not pay; see what ran alone.' if slow else None
    figures = {f"{name}_seconds": round(value, 4) for name, value in seconds.items()}
    yield Finding("speed", "warning" if slow else "ok", text, remedy, figures)


def _seconds(way: Callable[[], Any]) -> float:
    way()  # warm: proofs, caches, kernels
    _synchronize()
    started = time.perf_counter()
    way()
    _synchronize()
    return time.perf_counter() - started


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@check("sharing", Group.SPEED)
def sharing(subject: Subject) -> Iterator[Finding]:
    """Which calls share forwards, what that needed, and which run alone."""
    runner = subject.runner(subject.main_engine)
    report = runner.merge_report()
    calls, forwards = runner.stats.calls, runner.stats.forwards
    rules = ", ".join(report["rules"]) or "nothing beyond joining rows"
    refused = {reason: count for reason, count in report["alone"].items() if reason != "nobody to share with"}
    figures = {"calls": calls, "forwards": forwards, "rules": report["rules"], "alone": refused}
    text = f"{calls} denoiser calls in {forwards} forwards; needed: {rules}"
    yield Finding("sharing", "ok", text, figures=figures)
    for reason, count in refused.items():
        yield Finding("speed", "warning", f"{count} denoiser calls ran alone: {reason}", "Slower, never wrong.")


@check("precision", Group.SPEED)
def half_precision(subject: Subject) -> Iterator[Finding]:
    """float32 on a GPU costs more than twice the time."""
    on_gpu = any(parameter.is_cuda for module in denoisers(subject.inner) for parameter in module.parameters())
    if on_gpu and precision(subject.inner) == torch.float32:
        yield Finding("speed", "warning", "the denoiser runs in float32 on a GPU", 'Set dtype = "bfloat16".')
