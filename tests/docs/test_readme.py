"""What the README says to type works as it stands, but for the ports."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workers.shapes
from tests.docs.conftest import Service, size
from tests.docs.pages import ROOT

README = (ROOT / "README.md").read_text("utf-8")
SNIPPETS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def snippet(language: str, words: str) -> str:
    """The one snippet of this language that holds these words."""
    (found,) = [text for kind, text in SNIPPETS if kind == language and words in text]
    return str(found)


def here(text: str, service: Service) -> str:
    """The text with the addresses of this test."""
    text = text.replace("http://127.0.0.1:8000", service.api)
    return text.replace("127.0.0.1:9000", f"127.0.0.1:{service.hook_port}").replace(
        "9000)", f"{service.hook_port})"
    )


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_curl(service: Service) -> None:
    subprocess.run(["bash", "-euo", "pipefail", "-c", here(snippet("bash", "curl"), service)], check=True)
    assert size("circle.png") == (64, 64)


def test_the_client(service: Service) -> None:
    exec(compile(here(snippet("python", "blue.png"), service), "README.md", "exec"), {})
    assert size("blue.png") == (64, 64)


def test_the_webhook_back_end(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(here(snippet("python", "handle_request"), service), "README.md", "exec"), {})
    assert re.search(r"job\.succeeded http://127\.0\.0\.1:\d+/", capsys.readouterr().out)


def test_a_client_of_another_api(service: Service) -> None:
    exec(compile(here(snippet("python", "OpenAI("), service), "README.md", "exec"), {})
    assert size("circle.png") == (64, 64)


def test_the_bulk_way() -> None:
    Path("rings.toml").write_text(snippet("toml", "[matrix]"), "utf-8")
    command = snippet("bash", "bulk run").replace("omni-jobs", f"{sys.executable} -m omni_jobs.cli")
    environment = os.environ | {"OMNI_DATA_DIR": str(Path.cwd() / "data")}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, capture_output=True, env=environment)
    assert json.loads(done.stdout.splitlines()[-1])["succeeded"] == 12
    assert {size(path) for path in Path("pictures/shapes").iterdir()} == {(64, 64)}


def test_the_offline_way(
    untrained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers.shapes, "WEIGHTS", untrained)
    exec(compile(snippet("python", "Omni("), "README.md", "exec"), {})
    assert len(list(Path.cwd().glob("*.png"))) == 6
    calls, forwards = map(int, re.findall(r"\d+", capsys.readouterr().out))
    assert calls == 6 * 8
    assert forwards < calls / 3


def test_every_python_snippet_is_run_and_every_link_leads_somewhere() -> None:
    assert [kind for kind, _ in SNIPPETS].count("python") == 4
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)|src=\"((?!http)[^\"]+)\"", README):
        path = ROOT / (link[0] or link[1])
        assert path.exists(), path


def test_the_commands_exist() -> None:
    targets = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make (\S+)", snippet("bash", "make demo"), re.MULTILINE):
        assert f"\n{target}:" in targets
