"""The files of a new model as text: its row, its example, its test. Written by `workers.new_model`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from string import Template
from typing import Any

from workers.registry import ModelRow
from workers.verification.output import BATCHES, GUIDANCES
from workers.verification.subject import Subject

TEMPLATES = Path(__file__).parent / "templates"
#: What a row shows though it may be empty.
ALWAYS = ("source", "description", "licence")
#: Parameters of guidance that sampling parameters have a field for.
GUIDANCE_FIELDS = ("guidance_scale", "true_cfg_scale")


def toml_of(row: ModelRow, rules: str) -> str:
    """The row as `omni.toml` holds it: whatever is not as in any row, and what its author should see."""
    usual = ModelRow(row.name, row.source)
    facts = {item.name: getattr(row, item.name) for item in fields(ModelRow) if item.name != "name"}
    told = {key: value for key, value in facts.items() if value != getattr(usual, key) or key in ALWAYS}
    told |= {"licence": row.licence or "", "merge_rules": rules}
    table = f"models.{toml_key(row.name)}"
    tables = {key: value for key, value in told.items() if isinstance(value, Mapping) and key != "dtype"}
    lines = [f"[{table}]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in told.items() if key not in tables]
    for part, values in tables.items():
        lines += ["", f"[{table}.{part}]"]
        lines += [f"{toml_key(key)} = {toml_value(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def toml_key(name: str) -> str:
    """A key as TOML has it: quoted where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def toml_value(value: Any) -> str:
    """A plain value as TOML: JSON is the same but for tables."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(held)}" for key, held in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
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
