"""Training can be stopped at any time and taken up again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from workers.shapes.export import export
from workers.shapes.models import build_vae
from workers.shapes.train import Run, noise_levels, padded_length, rate


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")
def test_a_run_goes_on_where_it_was_stopped_and_can_be_shipped(tmp_path: Path) -> None:
    run = Run(tmp_path, 1, edits_from_seconds=0, edit_share=0.5, compiled=False)
    losses = [run.step(0.1)[1] for _ in range(4)]
    assert all(loss > 0 for loss in losses)
    run.save()

    resumed = Run(tmp_path, 2, edits_from_seconds=0, edit_share=0.5, compiled=False)
    resumed.load()
    assert resumed.progress.step == 4
    for mine, theirs in zip(run.trainee.parameters(), resumed.trainee.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    resumed.step(0.1)
    assert resumed.progress.step == 5

    build_vae().save_pretrained(tmp_path / "vae")
    export(tmp_path, tmp_path / "weights")
    assert (tmp_path / "weights" / "model_index.json").exists()


def test_noise_levels_are_the_pipeline_s_range() -> None:
    levels = noise_levels(1000)
    assert levels.min() > 0
    assert levels.max() <= 1


def test_prompts_are_padded_from_the_shortest_to_the_default() -> None:
    lengths = [padded_length() for _ in range(300)]
    assert min(lengths) == 16
    assert max(lengths) == 512


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    assert rate(0, 0.0) < 0.1
    assert rate(1000, 0.3) == 1.0
    assert rate(1000, 0.99) < 0.1
