"""Is the output that of plain diffusers: alone to the last bit, in company within rounding, fit to be stored?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from workers.verification.finding import Finding, Group, check
from workers.verification.subject import Subject

#: Numbers of requests at a time, and strengths of guidance, that every model is tried with.
BATCHES = (1, 2, 4)
GUIDANCES = (1.0, 5.0, 10.0)
#: Pixels between 0 and 1 that lie so far outside were not meant to be pixels.
OUTSIDE = 0.05
#: A picture that varies by less than this share of white is one colour.
FLAT = 1e-3

UNREPEATABLE = (
    "Two plain calls with one seed differ as well: it draws random numbers past the generator, or its kernels are "
    "not deterministic."
)
STATEFUL = "The pipeline keeps state between calls, or calls a component in a way that is not seen."
WEAK_PROOF = 'Serve it with caps = "fixed(1)", and report the model: a proof was too weak.'


@check("alone", Group.OUTPUT)
def alone(subject: Subject) -> Iterator[Finding]:
    """A request alone gives the same bytes as a plain call."""
    (request,) = subject.requests(1)
    plain = subject.plain(request)
    (found,) = subject.together([request])
    gap = subject.difference(plain, found)
    if gap == 0:
        yield Finding("alone", "ok", "bit-identical to plain diffusers", figures={"difference": 0.0})
        return
    again = subject.difference(plain, subject.plain(request))
    remedy = UNREPEATABLE if again else STATEFUL
    text = f"differs from plain diffusers by {gap:.1e}; two plain calls differ by {again:.1e}"
    yield Finding("output", "wrong", text, remedy, {"difference": gap, "plain_difference": again})


@check("together", Group.OUTPUT)
def together(subject: Subject) -> Iterator[Finding]:
    """Requests in company, for every batch and guidance, stay within the bound."""
    worst, engine = 0.0, subject.main_engine
    guidances = GUIDANCES if subject.guidance_name else (None,)
    for guidance in guidances:
        requests = subject.requests(max(BATCHES), guidance)
        plain = [subject.plain(request) for request in requests]
        for batch in BATCHES:
            found = subject.together(subject.requests(batch, guidance), engine)
            gaps = [subject.difference(mine, other) for mine, other in zip(plain, found, strict=False)]
            worst = max(worst, *gaps)
    if worst > subject.bound and (again := subject.difference(plain[0], subject.plain(requests[0]))):
        text = f"differs in company by {worst:.1e}; two plain calls differ by {again:.1e}"
        yield Finding("output", "wrong", text, UNREPEATABLE, {"difference": worst, "plain_difference": again})
        return
    right = worst <= subject.bound
    text = f"at most {worst:.1e} from plain diffusers, {subject.bound:.1e} allowed (batches 1, 2, 4"
    text += f"; {subject.guidance_name} 1, 5, 10)" if subject.guidance_name else ")"
    remedy = None if right else WEAK_PROOF
    figures = {"difference": worst, "bound": subject.bound}
    yield Finding("together" if right else "output", "ok" if right else "wrong", text, remedy, figures)


@check("media", Group.OUTPUT)
def media(subject: Subject) -> Iterator[Finding]:
    """What a job would store: of the size asked for, with colours in it."""
    (request,) = subject.requests(1)
    output = subject.plain(request)
    raw = subject.arrays(output)
    outside = max((max(float(-one.min()), float(one.max()) - 1.0) for one in raw if one.size), default=0.0)
    for file, pixels in subject.media(output):
        shape = "x".join(map(str, file.shape))
        if file.kind != "audio":
            yield from _faults(subject, request.sampling_params.to_arguments(), file.shape, pixels, outside)
        elif not np.any(pixels):
            yield Finding("output", "warning", "the sound is silence", "Check guidance, dtype and weights.")
        yield Finding("media", "ok", f"{file.kind} of {shape}" + (f" at {file.rate:g}/s" if file.rate else ""))


def _faults(
    subject: Subject,
    asked: dict[str, object],
    shape: tuple[int, ...],
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    outside: float,
) -> Iterator[Finding]:
    height, width = shape[-3:-1]
    wanted = (asked.get("width", width), asked.get("height", height))
    if (width, height) != wanted:
        yield Finding(
            "output",
            "warning",
            f"{wanted[0]}x{wanted[1]} was asked for and {width}x{height} came",
            "The pipeline chooses sizes of its own; make them the row's defaults.",
        )
    if outside > OUTSIDE:
        yield Finding(
            "output",
            "warning",
            f"pixels lie {outside:.2f} outside of 0 to 1 and were cut off",
            "Give the row a `post_process` that maps them to 0 to 1; pipelines of your own often end at -1 to 1.",
        )
    if float(pixels.std()) / 255 < FLAT:
        yield Finding(
            "output",
            "warning",
            "the picture is one colour",
            "With trained weights something is lost: check dtype, guidance, scheduler and weights.",
        )
