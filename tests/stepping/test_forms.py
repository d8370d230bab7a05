"""A call's description from its remembered form is the one that looking at every argument anew would give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from workers.stepping.fiber import ComponentCall
from workers.stepping.forms import description_of
from workers.stepping.leaves import Role, describe
from workers.stepping.weights import Weights


class Denoiser(nn.Module):
    """Takes what denoisers take: by place and by name, nested, shared tables, text with a mask, whatever else."""

    def forward(
        self,
        sample: Any,
        timestep: Any,
        encoder_hidden_states: Any = None,
        encoder_attention_mask: Any = None,
        img_ids: Any = None,
        conditions: Any = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> Any:
        return sample


MODEL = Denoiser()


def call(*args: Any, **kwargs: Any) -> ComponentCall:
    return ComponentCall("denoiser", MODEL, "__call__", args, kwargs)


def calls(seed: int) -> list[ComponentCall]:
    """Calls of different forms, with other tensors for another seed."""
    torch.manual_seed(seed)
    sample, text, ids = torch.randn(2, 4, 8), torch.randn(2, 5, 3), torch.randint(9, (7, 3))
    return [
        call(sample, torch.tensor(float(seed)), encoder_hidden_states=text, return_dict=False),
        call(sample=sample, timestep=torch.rand(2), encoder_hidden_states=text, img_ids=ids),
        call(sample, 0.5 + seed, text, torch.ones(2, 5, dtype=torch.bool), conditions={"size": torch.rand(2, 6)}),
        call(sample, seed, conditions=[torch.randn(2, 3), (torch.randn(2, 3), None)], extra={"scale": 0.5}),
        call([sample[0], sample[1]], torch.rand(2), conditions=[[ids], [ids, ids]]),
        call(sample, 1.0, img_ids=torch.randn(2, 7, 3), conditions=[3, 3]),
        call(sample, 1.0, conditions=object()),
        call(torch.tensor(1.0), 1.0),
    ]


def facts(found: Any) -> Any:
    leaves = [(*leaf[:3], leaf.rows_per_row) for leaf in found.leaves]
    own = [id(leaf.value) if isinstance(leaf.value, torch.Tensor) else repr(leaf.value) for leaf in found.leaves]
    arguments = list(found.bound.arguments)
    whole = (found.rows, found.primary, found.text_length, found.opaque, found.plan, found.features, found.digests)
    return leaves, own, arguments, whole


def test_a_filled_form_is_the_description() -> None:
    for seed in range(3):
        for one in calls(seed):
            assert facts(description_of(one)) == facts(describe(one))


def test_calls_of_one_form_keep_their_own_values() -> None:
    first, second = (description_of(calls(seed)[1]) for seed in (1, 2))
    assert first.features is second.features
    assert first.digests != second.digests
    shared = [next(leaf.value for leaf in item.leaves if leaf.role is Role.SHARED) for item in (first, second)]
    assert not torch.equal(*shared)


def test_text_of_any_length_goes_together_only_where_the_model_is_told_how_long_it_is() -> None:
    class Told(nn.Module):
        def forward(self, sample: Any, text_embeds: Any, text_lens: Any = None) -> Any:
            return sample

    def features(length: int, **told: Any) -> Any:
        arguments = {"sample": torch.ones(1, 2, 3), "text_embeds": torch.ones(1, length, 4), **told}
        return description_of(ComponentCall("told", Told(), "__call__", (), arguments)).features

    assert features(3) != features(5)
    assert features(3, text_lens=torch.tensor([3])) == features(5, text_lens=torch.tensor([5]))


def test_numbers_that_compare_equal_are_told_apart() -> None:
    sample = torch.randn(1, 2, 2)
    kinds = [description_of(call(sample, 1.0, conditions=value)).features for value in (1, 1.0, True)]
    assert len(set(kinds)) == 3


def test_what_the_method_does_not_take_is_refused_as_python_would() -> None:
    for wrong in (call(), call(1, 2, sample=3), call(*range(9))):
        with pytest.raises(TypeError):
            description_of(wrong)


def test_weights_are_others_once_anything_was_replaced_or_written() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    outer = nn.Linear(2, 2)
    module, weights = nn.Sequential(outer, inner), Weights()
    seen = {weights.of(module)}

    def is_new() -> bool:
        before, now = len(seen), weights.of(module)
        seen.add(now)
        return len(seen) > before

    assert not is_new()
    with torch.no_grad():
        outer.weight.mul_(2)
    assert is_new()
    outer._parameters["weight"] = nn.Parameter(torch.ones(2, 2))
    assert is_new()
    inner[0] = nn.Linear(2, 2)
    assert is_new()
    inner.append(nn.Linear(2, 2))
    assert is_new()
    assert not is_new()
