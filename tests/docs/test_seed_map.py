"""The map from the documents that the product was asked from leads somewhere: to modules, tests and pages that exist."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAP = tomllib.loads((ROOT / "docs" / "seed_map.toml").read_text("utf-8"))


@cache
def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", MAP["heading"], ids=lambda row: row["heading"])
def test_a_heading_leads_somewhere(row: dict[str, str]) -> None:
    assert (ROOT / row["module"]).exists(), row["module"]
    assert (ROOT / row["page"]).is_file(), row["page"]
    file, _, name = row["test"].partition("::")
    assert name in functions_of(ROOT / file), row["test"]


def test_no_heading_is_named_twice_and_none_is_both_built_and_due() -> None:
    named = [(row["document"], row["heading"]) for row in [*MAP["heading"], *MAP.get("later", [])]]
    assert len(named) == len(set(named))
