"""What a run made, as training code reads it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from omni_jobs.bulk import export
from omni_jobs.bulk.destination import Folder
from omni_jobs.bulk.export import Made, made, write_folder, write_shards
from omni_jobs.bulk.journal import Journal
from omni_jobs.bulk.manifest import Line, Manifest, open_manifest
from omni_jobs.bulk.results import Outcome, Output, ended

Parts = tuple[Manifest, Journal, Folder]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A run of five lines, the third of which failed."""
    template = tmp_path / "jobs.toml"
    template.write_text(
        "[job]\nmodel='m'\nprompt='fox {n}'\nparameters={width=8}\n[matrix]\nn={from=1,to=5}\nseed=9\n"
    )
    manifest, out = open_manifest(template), Folder(tmp_path / "out")
    journal = Journal(tmp_path / "out" / "results.jsonl")
    for line in manifest.entries():
        assert isinstance(line, Line)
        output = Output(f"m/{line.id}_0.png", "0" * 64, 1, line.seed, "image/png")
        out.write(output.key, f"picture {line.number}".encode())
        journal.append(ended(line, Outcome.FAILED if line.number == 3 else Outcome.SUCCEEDED, outputs=(output,)))
    yield manifest, journal, out
    journal.close()


def found(parts: Parts) -> Iterator[Made]:
    return made(parts[0], parts[1])


def test_a_folder_for_datasets_names_every_output_with_what_made_it(parts: Parts, tmp_path: Path) -> None:
    target = tmp_path / "data"
    assert write_folder(parts[2], found(parts), target) == 4
    rows = [json.loads(line) for line in (target / "metadata.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in rows] == ["fox 1", "fox 2", "fox 4", "fox 5"]
    assert rows[0]["seed"] == 9
    assert json.loads(rows[0]["parameters"]) == {"width": 8}
    assert (target / rows[2]["file_name"]).read_bytes() == b"picture 4"


def test_shards_hold_file_words_and_facts_together(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SHARD_OUTPUTS", 3)
    assert write_shards(parts[2], found(parts), tmp_path / "shards") == 4
    shards = sorted((tmp_path / "shards").iterdir())
    assert [path.name for path in shards] == ["shard-000000.tar", "shard-000001.tar"]
    with tarfile.open(shards[0]) as shard:
        names = shard.getnames()
        words = shard.extractfile("00000003.txt")
        assert words is not None
        assert words.read() == b"fox 4"
    assert names[:3] == ["00000001.png", "00000001.txt", "00000001.json"]
    assert len(names) == 9
