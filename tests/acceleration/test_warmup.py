"""After warm-up nothing compiles: admitted shapes find what they need, others run eagerly and are right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from omni_jobs.errors import Misconfigured
from tests.acceleration.models import BlockPipeline, block_pipeline
from tests.stepping.pipelines import seeded
from workers import Omni
from workers.acceleration.warmup import batch_sizes

EAGER = {"backend": "eager"}


def compiled() -> int:
    """How many graphs torch has compiled in this process."""
    return int(counters["stats"]["unique_graphs"])


def calls(*sizes: tuple[int, int], seed: int = 0) -> list[dict[str, Any]]:
    return [
        {"generator": seeded(seed + index), "height": height, "width": width}
        for index, (height, width) in enumerate(sizes)
    ]


def agree(omni: Omni, plain: BlockPipeline, *sizes: tuple[int, int]) -> None:
    for mine, call in zip(omni.map(calls(*sizes)), calls(*sizes), strict=True):
        torch.testing.assert_close(mine, plain(**call), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dynamic", [True, False])
def test_nothing_compiles_under_live_traffic(dynamic: bool) -> None:
    torch.compiler.reset()
    admitted = [{"height": 16, "width": 16}, {"height": 32, "width": 16}]
    pipeline = block_pipeline()
    before = compiled()
    omni = Omni(
        pipeline=pipeline,
        caps="fixed(4)",
        acceleration={"compile": {"dynamic": dynamic, **EAGER}, "warmup": admitted},
    )
    warm = compiled()
    assert warm > before
    assert (omni.stats.calls, omni.stats.proofs) == (0, 0)
    agree(omni, block_pipeline(), (16, 16))
    proofs, ran, forwards = omni.stats.proofs, len(pipeline.transformer.sees), omni.stats.forwards
    for company in ([(16, 16)] * 3, [(32, 16), (16, 16)] * 2, [(32, 16)] * 7):
        agree(omni, block_pipeline(), *company)
    assert omni.stats.max_batch == 4
    # What jobs need was proved before the first of them; a batch of a new size has one member audited.
    assert omni.stats.proofs == proofs
    assert len(pipeline.transformer.sees) - ran <= omni.stats.forwards - forwards + 1
    agree(omni, block_pipeline(), (64, 64), (64, 64))
    assert compiled() == warm


def test_alone_it_is_the_plain_pipeline_so_compiled() -> None:
    torch.compiler.reset()
    plain = block_pipeline()
    plain.transformer.compile_repeated_blocks(dynamic=True, **EAGER)
    omni = Omni(
        pipeline=block_pipeline(), acceleration={"compile": EAGER, "warmup": [{"height": 16, "width": 16}]}
    )
    (mine,) = omni.map(calls((16, 16)))
    assert torch.equal(mine, plain(**calls((16, 16))[0]))


@pytest.mark.slow
def test_inductor_compiles_on_the_cpu() -> None:
    torch.compiler.reset()
    omni = Omni(
        pipeline=block_pipeline(),
        caps="fixed(2)",
        acceleration={"compile": True, "warmup": [{"height": 16, "width": 16}]},
    )
    warm = compiled()
    agree(omni, block_pipeline(), (16, 16), (16, 16), (16, 16))
    assert compiled() == warm


def test_a_warm_up_that_fails_ends_the_start_with_the_reason() -> None:
    with pytest.raises(Misconfigured, match="hieght"):
        Omni(pipeline=block_pipeline(), acceleration={"warmup": [{"hieght": 16}]})


def test_a_batch_that_does_not_fit_ends_the_start_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = block_pipeline()

    def forward(hidden_states: torch.Tensor, timestep: Any) -> torch.Tensor:
        if len(hidden_states) > 1:
            raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB")
        return hidden_states

    monkeypatch.setattr(pipeline.transformer, "forward", forward)
    with pytest.raises(Misconfigured, match="a batch of 2 does not fit the device: Tried to allocate") as error:
        Omni(pipeline=pipeline, caps="fixed(2)", acceleration={"warmup": [{"height": 16, "width": 16}]})
    assert "warmup_batches" in str(error.value.remedy)


@pytest.mark.parametrize(
    ("options", "caps", "sizes"),
    [
        ({"compile": {}}, "measured", (1, 2, 4)),
        ({"compile": {}}, "fixed(2)", (1, 2)),
        ({"compile": {"dynamic": False}}, "fixed(3)", (1, 2, 3)),
        ({"cuda_graphs": {}}, "measured", (1, 2, 4, 8)),
        ({"cuda_graphs": {}, "compile": {}}, "fixed(6)", (1, 2, 4)),
        ({"compile": {}, "warmup_batches": [3]}, "measured", (3,)),
    ],
)
def test_the_batch_sizes_that_are_warmed(options: dict[str, Any], caps: str, sizes: tuple[int, ...]) -> None:
    assert batch_sizes(options, caps) == sizes


def test_measured_caps_need_dynamic_sizes() -> None:
    with pytest.raises(Misconfigured, match="warmup_batches"):
        batch_sizes({"compile": {"dynamic": False}}, "measured")
