"""Rows."""

from typing import Any

ROWS: dict[str, dict[str, Any]] = {}
