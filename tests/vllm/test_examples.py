"""The scripts of examples/vllm run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.docs.conftest import size
from tests.docs.pages import ROOT
from tests.enhancing.chat_server import chat_server
from tests.executors.test_vllm_omni import STANDIN
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


@pytest.mark.vllm
def test_vllm_encodes_the_text(matching: Path, tiny: TinyModels, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    said = run(tmp_path, "text_encoder.py", str(matching), str(tiny.text))
    assert "1.png 256 256" in said


def test_every_example_is_run_and_listed() -> None:
    tests = Path(__file__).read_text("utf-8")
    listed = (ROOT / "examples" / "README.md").read_text("utf-8")
    for path in FOLDER.glob("*.py"):
        assert f'"{path.name}"' in tests
        assert f"(vllm/{path.name})" in listed


def test_a_prompt_is_rewritten_at_every_door(tmp_path: Path) -> None:
    with chat_server() as chat:
        told = {"OMNI_ENHANCER_URL": chat.url, "OMNI_ENHANCER_MODEL": "writer", "OMNI_DATA_DIR": str(tmp_path)}
        own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
        command = [sys.executable, "-m", "omni_jobs.cli", "up", "--model", "shapes=simulated", "--port", "0"]
        with subprocess.Popen(command, env=own | told, stdout=subprocess.PIPE, text=True) as service:
            try:
                assert service.stdout is not None
                api = service.stdout.readline().split()[1]
                said = run(tmp_path, "enhanced_prompt.py", api)
                body = {"model": "shapes", "prompt": "a cup", "enhance_prompt": True}
                drawn = httpx.post(f"{api}/v1/images/generations", json=body, timeout=60).raise_for_status().json()
            finally:
                service.terminate()
                service.wait(60)
    assert said.splitlines() == ["asked: a red star", "drawn: a red star, golden light"]
    assert drawn["data"][0]["revised_prompt"] == "a cup, golden light"


def test_vllm_omni_behind_our_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for vLLM-Omni, whose own engine needs a GPU."""
    monkeypatch.setenv("PYTHONPATH", f"{STANDIN}:{ROOT}")
    said = run(tmp_path, "omni_executor.py", "somebody/model", "a fox", "a broken one")
    assert "0.png 64 64" in said
    assert "the stage failed" in said
