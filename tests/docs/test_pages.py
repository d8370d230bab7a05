"""Generated parts of the documentation are current; `make docs` writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from omni_jobs.settings import Settings
from tests.docs.pages import FIRST_SETTINGS, MODEL_KEYS, PARTS, ROOT, replaced
from workers.registry import ModelRow


@pytest.mark.parametrize(("page", "name", "make"), PARTS, ids=[f"{page}: {name}" for page, name, _ in PARTS])
def test_a_generated_part_is_current(page: str, name: str, make: Callable[[], str]) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert replaced(text, name, make()) == text, "run `make docs`"


def test_every_key_and_setting_is_described() -> None:
    assert set(MODEL_KEYS) == {item.name for item in fields(ModelRow)} - {"name"}
    assert set(FIRST_SETTINGS) <= set(Settings.model_fields)
    assert all(item.description for item in Settings.model_fields.values())


def test_a_page_without_the_place_is_refused() -> None:
    with pytest.raises(ValueError, match="settings"):
        replaced("nothing", "settings", "")
