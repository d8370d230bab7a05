"""Merge rules of a row: given as they are, or the file that holds them, as `Omni.proven_rules` made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omni_jobs.errors import Misconfigured


def read_rules(given: str | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The rules themselves.

    Raises:
        Misconfigured: the file is missing or no list of tables.
    """
    if not isinstance(given, str):
        return given
    try:
        rules = json.loads(Path(given).expanduser().read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"`merge_rules`: {given}: {error}.", field="merge_rules", value=given) from error
    if not isinstance(rules, list) or not all(isinstance(table, dict) for table in rules):
        raise Misconfigured(f"`merge_rules`: {given} is no list of tables.", field="merge_rules", value=given)
    return rules
