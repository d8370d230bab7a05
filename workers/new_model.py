"""From a pipeline to a row, an example, a test and a verification card: `python -m workers.new_model`.

The child of `omni-jobs new-model`. Reads a question as JSON; answers in lines of JSON, a finding each as it is
found and at last the files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from omni_jobs.errors import Misconfigured, OmniJobsError
from workers.registry import ModelRow, row_from

#: Parameters whose usual value a row shows, so that it is seen and can be changed.
SHOWN = ("num_inference_steps", "true_cfg_scale", "guidance_scale", "height", "width", "num_frames")
#: No job may ask for more than so many times the usual steps.
LIMIT_MULTIPLE = 3


def write_model(question: Mapping[str, Any], tell: Any) -> tuple[list[Path], bool]:
    """Load and examine the model and write its files; `tell` is called with each finding.

    Args:
        question: name, source, pipeline_class, dtype, parameters (what a job leaves out), steps, folder, force.

    Returns:
        The files, and whether nothing was found wrong.

    Raises:
        Misconfigured: the model does not load, or the folder holds something else.
    """
    folder = Path(question["folder"])
    if folder.exists() and any(folder.iterdir()) and not question["force"]:
        raise Misconfigured(
            f"{folder} is not empty.", field="output", remedy="Name another folder, or use --force."
        )
    row = asked_row(question)
    # Only now: a wrong name is said at once.
    from workers.verification import Subject, run_checks
    from workers.verification.card import as_json, as_markdown, facts_of
    from workers.verification.writing import example_of, test_of, toml_of

    subject = Subject.load(row, question["steps"])
    subject.row = filled_row(row, subject.card.defaults, type(subject.inner).__name__)
    found = []
    for group, finding in run_checks(subject):
        found.append((group, finding))
        tell({"group": group.value, **asdict(finding)})
    rules = subject.runner(subject.main_engine).prover.proven()
    facts = facts_of(subject)
    texts = {
        "omni.toml": toml_of(subject.row, rules="rules.json"),
        "rules.json": json.dumps(rules, indent=1) + "\n",
        "example.py": example_of(subject),
        re.sub(r"\W", "_", f"test_{row.name}") + ".py": test_of(subject),
        "card.md": as_markdown(facts, found),
        "card.json": json.dumps(as_json(facts, found), indent=1) + "\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts], all(finding.state != "wrong" for _group, finding in found)


def asked_row(question: Mapping[str, Any]) -> ModelRow:
    """The row that was asked for; a known name brings its facts."""
    source = question["source"]
    if source is not None and Path(source).is_dir():
        source = str(Path(source).absolute())
    given = {"source": source, "pipeline_class": question["pipeline_class"], "dtype": question["dtype"]}
    row = row_from(question["name"], {key: value for key, value in given.items() if value is not None})
    row = replace(row, defaults={**row.defaults, **question["parameters"]})
    row.check_source()
    return row


def filled_row(row: ModelRow, usual: Mapping[str, Any], class_name: str) -> ModelRow:
    """The row with what is usual for its class made visible, and a limit on steps."""
    defaults = {name: usual[name] for name in SHOWN if name in usual} | dict(row.defaults)
    limits = dict(row.limits)
    if "num_inference_steps" in defaults:
        limits.setdefault("num_inference_steps", LIMIT_MULTIPLE * defaults["num_inference_steps"])
    return replace(row, pipeline_class=row.pipeline_class or class_name, defaults=defaults, limits=limits)


def main() -> int:
    """Entry point of the child process."""

    def tell(line: Mapping[str, Any]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    try:
        files, right = write_model(json.load(sys.stdin), lambda finding: tell({"finding": finding}))
    except OmniJobsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    tell({"files": [str(path) for path in files], "right": right})
    return 0


if __name__ == "__main__":
    sys.exit(main())
