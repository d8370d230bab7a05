"""The files of a new model as text: its row, its example, its test. Written by `workers.new_model`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from workers.registry import ModelRow
from workers.verification.output import BATCHES, GUIDANCES
from workers.verification.subject import Subject

TEMPLATES = Path(__file__).parent / "templates"
#: Parameters of guidance that sampling parameters have a field for.
GUIDANCE_FIELDS = ("guidance_scale", "true_cfg_scale")


def toml_of(row: ModelRow, rules: str) -> str:
    """The row as `omni.toml` holds it."""
    facts = {
        "source": row.source,
        "pipeline_class": row.pipeline_class,
        "dtype": row.dtype,
        "variant": row.variant,
        "frame_rate": row.frame_rate,
        "description": row.description,
        "licence": row.licence or "",
        "merge_rules": rules,
    }
    table = row.name if re.fullmatch(r"[A-Za-z0-9_-]+", row.name) else json.dumps(row.name)
    lines = [f"[models.{table}]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in facts.items() if value is not None]
    for part in ("defaults", "limits"):
        values = getattr(row, part)
        if values:
            lines += ["", f"[models.{table}.{part}]"]
            lines += [f"{key} = {toml_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """A plain value as TOML: JSON is the same but for tables."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(held)}" for key, held in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def example_of(subject: Subject) -> str:
    """The example script."""
    kind = subject.card.media
    return filled(
        "example.py.txt",
        name=subject.row.name,
        steps=str(subject.card.defaults.get("num_inference_steps", "the pipeline's own")),
        guidance=subject.guidance_name if subject.guidance_name in GUIDANCE_FIELDS else "guidance_scale",
        kind=kind,
        rates=repr({one: rate for one, rate in subject.rates.items() if one == kind}),
    )


def test_of(subject: Subject) -> str:
    """The test: batches and guidances as the card tries them."""
    return filled(
        "test.py.txt",
        name=subject.row.name,
        steps=str(subject.steps),
        guidances=repr(list(GUIDANCES) if subject.guidance_name else [None]),
        batches=repr(list(BATCHES)),
        kind=subject.card.media,
    )


def filled(template: str, **values: Any) -> str:
    """A template with its places filled."""
    return Template((TEMPLATES / template).read_text("utf-8")).substitute(values)
