"""The scripts of examples/vllm run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.conftest import size
from tests.docs.pages import ROOT
from tests.vllm.conftest import TinyModels

FOLDER = ROOT / "examples" / "vllm"


def run(folder: Path, script: str, *arguments: str) -> str:
    """The output of an example that ended well."""
    command = [sys.executable, str(FOLDER / script), *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True, timeout=200).stdout


@pytest.mark.vllm
def test_qwen_image_inside_vllm(tiny: TinyModels, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    said = run(tmp_path, "qwen_image.py", str(tiny.text), str(tiny.qwen_image), "a cup", "--size=32", "--steps=2",
               "--kv-cache-bytes=67108864")  # fmt: skip
    assert "panda.png 32 32" in said
    assert size(tmp_path / "panda.png") == (32, 32)


def test_every_example_is_run_and_listed() -> None:
    tests = Path(__file__).read_text("utf-8")
    listed = (ROOT / "examples" / "README.md").read_text("utf-8")
    for path in FOLDER.glob("*.py"):
        assert f'"{path.name}"' in tests
        assert f"(vllm/{path.name})" in listed
