"""What is wrong with a model, if anything: `python -m workers.verification.examine`.

The child of `omni-jobs doctor`. Reads a question as JSON (config, models, steps); answers in lines of JSON, a
finding each.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from omni_jobs.errors import OmniJobsError
from workers.registry import ModelRow, read_rows
from workers.verification.faults import finding_of
from workers.verification.finding import Finding, Group, run_checks
from workers.verification.subject import Subject

#: What finds faults; the rest of a verification card tells of options.
GROUPS = (Group.OUTPUT, Group.SPEED, Group.MEMORY)
#: Libraries that say, in their logs alone, that weights and model do not fit.
LOGGERS = ("diffusers", "transformers")
MISFIT = re.compile(r"not initialized|newly initialized|MISSING|not used|UNEXPECTED|MISMATCH")


class Overheard(logging.Handler):
    """What the libraries log of weights that do not fit, while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if MISFIT.search(text):
            self.messages.append(text[:400])

    def __enter__(self) -> Overheard:
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)


def examine(row: ModelRow, steps: int) -> Iterator[Finding]:
    """Load the model as a worker would and look for the faults of `docs/troubleshooting.md`."""
    started, error, subject = time.perf_counter(), None, None
    with Overheard() as overheard:
        try:
            subject = Subject.load(row, steps)
        except Exception as caught:  # noqa: BLE001  whatever keeps a model from loading is what was found
            error = caught
    for message in overheard.messages:
        yield Finding("weights", "wrong", message, "Use weights and configuration of one model; see `source`.")
    if error is not None or subject is None:
        yield finding_of("import", error or RuntimeError("it does not load"))
        return
    yield Finding("import", "ok", f"{type(subject.inner).__name__} loads in {time.perf_counter() - started:.1f} s")
    yield from (finding for _group, finding in run_checks(subject, GROUPS))


def main() -> int:
    """Entry point of the child process."""
    question = json.load(sys.stdin)
    try:
        rows = read_rows(question["config"] and Path(question["config"]), question["models"])
    except OmniJobsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for row in rows:
        for finding in examine(row, question["steps"]):
            sys.stdout.write(json.dumps({"model": row.name, **asdict(finding)}) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
