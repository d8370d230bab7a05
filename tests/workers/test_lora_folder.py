"""The operator's adapters: what a job may name, what the catalogue says of them, and where the files are."""

from __future__ import annotations

from pathlib import Path

import pytest

from omni_jobs.errors import InvalidRequest, Misconfigured, StorageUnavailable
from omni_jobs.schemas import ModelCard, parse_job
from omni_jobs.settings import Settings
from storage import LocalStore, ObjectStore
from storage.errors import Unreachable
from workers.lora_folder import MOST_NAMES, LocalFolder, NoFolder, StoredFolder, open_folder, resolve, with_loras
from workers.registry import ModelRow

CARD = ModelCard(
    name="m", tasks=("generate",), pipeline="P", parameters_schema={"type": "object", "properties": {}}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "loras"
    (made / "deeper").mkdir(parents=True)
    for name in (
        "pixel art.safetensors",
        "v1.2-style.safetensors",
        ".hidden.safetensors",
        "notes.txt",
        "old.bin",
        "deeper/inside.safetensors",
    ):
        (made / name).write_bytes(name.encode())
    return made


def job(*loras: dict[str, object]) -> dict[str, object]:
    return {"model": "m", "prompt": "a fox", "parameters": {"loras": list(loras)}}


def test_adapters_are_the_safetensors_directly_in_the_folder(folder: Path) -> None:
    opened = open_folder(ModelRow("m", "source", lora_folder=str(folder)), Settings(), folder / "unused")
    assert opened.names() == ("pixel art", "v1.2-style")
    assert opened.path("pixel art") == folder / "pixel art.safetensors"
    for name in ("inside", "deeper/inside", "../loras/pixel art", ".hidden", "old", ""):
        with pytest.raises(KeyError):
            opened.path(name)
    (folder / "new.safetensors").touch()
    assert "new" in opened.names()


def test_a_folder_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"lora_folder.*no folder"):
        open_folder(ModelRow("m", "source", lora_folder=str(tmp_path / "nothing")), Settings(), tmp_path)


def test_the_catalogue_refuses_at_the_door(folder: Path) -> None:
    card = ModelCard.model_validate_json(with_loras(CARD, LocalFolder(folder).names()).model_dump_json())
    card.validate_job(parse_job(job({"name": "pixel art", "scale": -0.5}, {"name": "v1.2-style"})))
    refused: tuple[tuple[dict[str, object], str], ...] = (
        ({"name": "pixel"}, r"parameters\.loras\.0\.name.*not one of.*pixel art"),
        ({"name": "pixel art", "scale": "much"}, r"loras\.0\.scale"),
        ({"name": "pixel art", "scale": 99}, r"loras\.0\.scale"),
        ({"name": "pixel art", "path": "/etc"}, "path"),
        ({"scale": 1}, "name"),
    )
    for wrong, said in refused:
        with pytest.raises(InvalidRequest, match=said):
            card.validate_job(parse_job(job(wrong)))
    with pytest.raises(InvalidRequest, match="not a parameter"):
        CARD.validate_job(parse_job(job({"name": "pixel art"})))


def test_a_card_does_not_list_thousands_of_names() -> None:
    card = with_loras(CARD, [f"style-{number}" for number in range(MOST_NAMES + 1)])
    assert len(card.model_dump_json()) < 2000
    card.validate_job(parse_job(job({"name": "style-7"})))
    for wrong in ("../style-7", "a/b", ".hidden", ""):
        with pytest.raises(InvalidRequest, match="name"):
            card.validate_job(parse_job(job({"name": wrong})))


def test_the_worker_checks_again(folder: Path) -> None:
    found = resolve(LocalFolder(folder), [{"name": "v1.2-style", "scale": 2}, {"name": "pixel art"}])
    assert [(one.lora_name, one.scale) for one in found] == [("v1.2-style", 2.0), ("pixel art", 1.0)]
    assert Path(found[0].lora_path).read_bytes() == b"v1.2-style.safetensors"
    with pytest.raises(InvalidRequest, match=r"loras\.1\.name.*twice"):
        resolve(LocalFolder(folder), [{"name": "pixel art"}, {"name": "pixel art", "scale": 0.1}])
    with pytest.raises(InvalidRequest, match=r"no adapter 'pixel'.*Did you mean `pixel art`"):
        resolve(LocalFolder(folder), [{"name": "pixel"}])
    with pytest.raises(InvalidRequest, match="no adapter"):
        resolve(NoFolder(), [{"name": "pixel art"}])


class Flaky(LocalStore):
    """A store that can be told not to answer, and counts what is opened."""

    is_down = False
    opened = 0

    def list(self, prefix: str = "", start_after: str = "") -> object:  # type: ignore[override]
        if self.is_down:
            raise Unreachable("no answer")
        return super().list(prefix, start_after)

    def open(self, key: str) -> object:  # type: ignore[override]
        self.opened += 1
        return super().open(key)


def test_a_store_s_adapters_are_copied_once_per_version(tmp_path: Path) -> None:
    objects, now = Flaky(tmp_path / "bucket"), [0.0]
    stored = StoredFolder(objects, tmp_path / "cache", lambda: now[0])
    fill(objects, "style.safetensors", b"first")
    fill(objects, "deeper/inside.safetensors", b"no")
    assert stored.names() == ("style",)
    first = stored.path("style")
    assert (first.read_bytes(), stored.path("style"), objects.opened) == (b"first", first, 1)

    # What is newer than the listing is found when it is asked for, and listed with the next one.
    fill(objects, "new.safetensors", b"new")
    assert stored.names() == ("style",)
    assert stored.path("new").read_bytes() == b"new"
    fill(objects, "style.safetensors", b"second")
    now[0] += 60
    assert stored.names() == ("new", "style")
    second = stored.path("style")
    assert (second.read_bytes(), first.read_bytes()) == (b"second", b"first")
    assert not list((tmp_path / "cache").glob("*.part"))


def test_a_store_that_does_not_answer_fails_nothing_that_is_known(tmp_path: Path) -> None:
    objects, now = Flaky(tmp_path / "bucket"), [0.0]
    stored = StoredFolder(objects, tmp_path / "cache", lambda: now[0])
    fill(objects, "style.safetensors", b"first")
    path = stored.path("style")
    objects.is_down = True
    now[0] += 60
    assert stored.names() == ("style",)
    assert stored.path("style") == path
    with pytest.raises(StorageUnavailable):
        stored.path("unknown")


def fill(objects: ObjectStore, key: str, content: bytes) -> None:
    objects.put(key, content)
