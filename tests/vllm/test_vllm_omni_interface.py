"""The stand-in for vLLM-Omni has the interface of the released 0.30, read from its source."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from tests.executors.standin.vllm_omni.inputs.data import OmniDiffusionSamplingParams
from tests.executors.test_vllm_omni import STANDIN

#: Where `make test-vllm` puts the package, without what it depends on: it runs on no CPU.
RELEASED = Path(__file__).parents[2] / ".venv-vllm" / "released"


def class_in(root: Path, file: str, name: str) -> ast.ClassDef:
    tree = ast.parse((root / "vllm_omni" / file).read_text("utf-8"))
    return next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name)


def parameters_of(node: ast.ClassDef, method: str) -> tuple[list[str], list[str]]:
    """Names that may be given by place, and those that may be given by name only."""
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    found = next(one for one in methods if one.name == method)
    return [one.arg for one in found.args.args], [one.arg for one in found.args.kwonlyargs]


@pytest.mark.vllm
@pytest.mark.parametrize("method", ["generate", "collective_rpc"])
def test_the_stand_ins_methods_are_the_released_ones(method: str) -> None:
    file = "entrypoints/async_omni.py"
    ours = parameters_of(class_in(STANDIN, file, "AsyncOmni"), method)
    theirs = parameters_of(class_in(RELEASED, file, "AsyncOmni"), method)
    assert ours[0] == theirs[0]
    assert set(ours[1]) <= set(theirs[1])


@pytest.mark.vllm
def test_sampling_parameters_and_results_have_the_released_fields() -> None:
    def names(file: str, name: str) -> set[str]:
        body = class_in(RELEASED, file, name).body
        targets = [node.target for node in body if isinstance(node, ast.AnnAssign)]
        return {target.id for target in targets if isinstance(target, ast.Name)}

    ours = {item.name for item in fields(OmniDiffusionSamplingParams)}
    assert ours <= names("inputs/data.py", "OmniDiffusionSamplingParams")
    assert {"images", "final_output_type", "error"} <= names("outputs/__init__.py", "OmniRequestOutput")
