"""The verification card of a model: what was found, for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from workers.engine_process.describe import versions
from workers.verification.finding import Finding, Group
from workers.verification.subject import Subject

TITLES = {
    Group.OUTPUT: "Output against plain diffusers",
    Group.SPEED: "Speed against plain diffusers",
    Group.MEMORY: "Memory",
    Group.PARALLEL: "Parallelism",
    Group.CACHE: "Step caches",
}
NOTHING = "Nothing of this kind is checked on this machine."

Found = Sequence[tuple[Group, Finding]]


def facts_of(subject: Subject) -> dict[str, Any]:
    """What the findings depend on."""
    return {
        "model": subject.row.name,
        "source": subject.row.source,
        "pipeline": type(subject.pipeline).__name__,
        "device": str(getattr(subject.inner, "device", "cpu")),
        "dtype": subject.row.dtype or "float32",
        "steps": subject.steps,
        "defaults": dict(subject.row.defaults),
        "versions": versions(),
    }


def as_json(facts: Mapping[str, Any], found: Found) -> dict[str, Any]:
    """The card as data."""
    return {**facts, "findings": [{"group": group.value, **asdict(finding)} for group, finding in found]}


def as_markdown(facts: Mapping[str, Any], found: Found) -> str:
    """The card as a page."""
    lines = [f"# Verification of {facts['model']}", ""]
    lines += [f"- **{name}**: {_shown(value)}" for name, value in facts.items() if name != "model"]
    for group in Group:
        findings = [finding for its, finding in found if its is group]
        lines += ["", f"## {TITLES[group]}"]
        if not findings:
            lines.append(NOTHING)
            continue
        lines += ["| check | state | found |", "|---|---|---|"]
        lines += [f"| {one.name} | {one.state} | {_cell(one)} |" for one in findings]
    return "\n".join(lines) + "\n"


def _cell(finding: Finding) -> str:
    text = finding.text + (f" **Remedy:** {finding.remedy}" if finding.remedy else "")
    return text.replace("|", "\\|")


def _shown(value: Any) -> str:
    return ", ".join(f"{key} {held}" for key, held in value.items()) if isinstance(value, Mapping) else str(value)
