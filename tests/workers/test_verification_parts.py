"""What checks compare and write, without a model."""

from __future__ import annotations

import tomllib
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from workers.registry import ModelRow, row_from
from workers.verification.compare import arrays, difference
from workers.verification.writing import toml_of


@pytest.mark.parametrize(
    ("mine", "other", "gap"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 4.0], [1.0, 3.0], 0.25),
        ([1.0, nan], [1.0, nan], 0.0),
        ([1.0, nan], [1.0, 2.0], inf),
        ([1.0, 2.0], [1.0, nan], inf),
        ([inf, 2.0], [-inf, 2.0], inf),
    ],
)
def test_what_is_no_number_on_one_side_only_is_as_far_as_can_be(
    mine: list[float], other: list[float], gap: float
) -> None:
    assert difference([np.array(mine)], [np.array(other)]) == gap


def test_outputs_without_media_are_not_called_equal() -> None:
    with pytest.raises(ValueError, match="holds no media"):
        arrays(object())


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"dtype": {"default": "bfloat16", "vae": "float32"}, "max_pixels": 1024 * 1024, "frame_rate": 24.0},
        {
            "defaults": {"width": 512, "negative_prompt": 'say "no"'},
            "weights_sources": {"controlnet": [{"source": "./canny"}, "owner/depth@main"], "a.b": "c/d"},
            "acceleration": {"compile": {"dynamic": False}, "warmup": [{"width": 512}], "vae_tiling": True},
            "pre_process": "my_package.get_pre",
        },
    ],
)
def test_a_written_row_is_read_as_it_was(facts: dict[str, Any]) -> None:
    row = ModelRow("my.model", "./models/mine", merge_rules="rules.json", licence="MIT", **facts)
    (tables,) = tomllib.loads(toml_of(row, rules="rules.json")).values()
    ((name, table),) = tables.items()
    assert row_from(name, table) == row
