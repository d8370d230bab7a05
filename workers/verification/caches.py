"""Which step caches hold: calls saved, and how far the output moves. Quality is judged by eye, not here."""

from __future__ import annotations

from collections.abc import Iterator

from workers.stepping.cache_config import BACKENDS
from workers.verification.finding import Finding, Group, check
from workers.verification.subject import Subject

#: Steps of the run: a cache begins to answer after its warm-up.
STEPS = 12
#: Defaults of options that only the model's operator can give.
MISSING = (None, ())


@check("caches", Group.CACHE)
def caches(subject: Subject) -> Iterator[Finding]:
    """Every back end that can be used without knowing the model."""
    (request,) = subject.requests(1, steps=STEPS)
    plain = subject.plain(request)
    for name, backend in BACKENDS.items():
        if any(value in MISSING for value in backend.defaults.values()):
            yield Finding(name, "skipped", "needs options made for the model")
            continue
        engine = subject.engine(cache_backend=name)
        (found,) = subject.together([request], engine)
        stats = subject.runner(engine).stats
        total = stats.calls + stats.calls_saved
        gap = subject.difference(plain, found)
        text = f"{stats.calls_saved} of {total} denoiser calls saved; the output moves by at most {gap:.1e}"
        figures = {"saved": stats.calls_saved, "calls": total, "difference": gap}
        yield Finding(name, "ok" if stats.calls_saved else "warning", text, figures=figures)
