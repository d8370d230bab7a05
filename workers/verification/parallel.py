"""Which options of `parallel_config` a model could be served with, as far as one rank can tell."""

from __future__ import annotations

from collections.abc import Iterator

from omni_jobs.errors import Misconfigured
from workers.acceleration.parts import Parts
from workers.loader import device_of
from workers.parallel.apply import STAGES
from workers.parallel.degrees import DiffusionParallelConfig
from workers.parallel.spread import Spread
from workers.stepping.lockstep import ALONE
from workers.verification.finding import Finding, Group, check
from workers.verification.subject import Subject

#: Ranks along each dimension that is asked about.
RANKS = 2


@check("parallel", Group.PARALLEL)
def parallel(subject: Subject) -> Iterator[Finding]:
    """Each option by itself, as a start on two ranks would check it before it changes anything."""
    parts, device = Parts(subject.inner), device_of(subject.row.engine_config())
    for stage in STAGES:
        for option in stage.options:
            spread = Spread(DiffusionParallelConfig(**{option: RANKS}), device, ALONE)
            try:
                stage.check(parts, spread)
            except Misconfigured as refusal:
                yield Finding(option, "skipped", refusal.message)
                continue
            yield Finding(option, "ok", f"nothing speaks against {RANKS} ranks; tried when they start")
