"""`omni-jobs demo` and `omni-jobs try` as a newcomer runs them, with real processes and the packaged classes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from PIL import Image

from omni_jobs.demo.s3 import s3_settings
from storage import open_store

COMMAND = [sys.executable, "-m", "omni_jobs.cli"]


def omni(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("OMNI_")}
    done = subprocess.run(
        [*COMMAND, *arguments], env=own, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_try_draws_one_picture_and_edits_it(untrained: Path, tmp_path: Path) -> None:
    model = f"shapes={untrained}"
    options = ["--seed", "3", "--data", str(tmp_path), "--json"]
    first = json.loads(omni("try", "a red circle on white", "--model", model, *options).stdout)
    assert first["path"] == str(tmp_path / "try" / "a-red-circle-on-white-3.png")
    with Image.open(first["path"]) as picture:
        assert picture.size == (64, 64)
    edited = tmp_path / "edited.png"
    options = ["--image", first["path"], "--steps", "2", "--output", str(edited)]
    assert str(edited) in omni("try", "make it blue", "--model", model, *options).stdout
    assert edited.exists()


def test_try_says_what_is_wrong(tmp_path: Path) -> None:
    done = omni("try", "a fox", "--model", f"mine={tmp_path}", "--output", str(tmp_path / "x.png"), status=70)
    assert "model_index.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_s3_server_of_the_demo_stores_and_ends(tmp_path: Path) -> None:
    with s3_settings(tmp_path) as settings:
        url = settings["OMNI_STORAGE_URL"]
        keys = {"access_key_id": settings["OMNI_STORAGE_ACCESS_KEY"]}
        open_store(url, secret_access_key=settings["OMNI_STORAGE_SECRET_KEY"], **keys).check()
        endpoint = url.partition("endpoint=")[2].partition("&")[0]
    with pytest.raises(httpx.ConnectError):
        httpx.get(endpoint, trust_env=False)


@pytest.mark.slow
@pytest.mark.parametrize("storage", [(), ("--s3",)], ids=["local", "s3"])
def test_the_demo_keeps_its_promises(untrained: Path, tmp_path: Path, storage: tuple[str, ...]) -> None:
    report = json.loads(
        omni("demo", "--weights", str(untrained), "--data", str(tmp_path), "--json", *storage).stdout
    )
    assert report["passed"]
    assert report["jobs"] == len(report["pictures"]) == 32
    assert report["calls_per_forward"] >= 3
    assert report["storage"] == ("s3" if storage else "local")
    folder = tmp_path / "demo"
    assert all((folder / "pictures" / picture["file"]).exists() for picture in report["pictures"])
    assert (folder / "index.html").read_text().startswith("<!doctype html>")
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.width > 1000
    assert not (folder / "service" / "service.json").exists()
