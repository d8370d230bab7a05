"""What a run made, as training code reads it: a folder for `datasets`, or shards of WebDataset.

Outputs are named with what made them. One at a time is in memory, and the run's folder is left as it is.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omni_jobs.bulk.destination import Destination
from omni_jobs.bulk.journal import Journal
from omni_jobs.bulk.manifest import Line, Manifest
from omni_jobs.bulk.results import Outcome, Output

#: Outputs of one shard.
SHARD_OUTPUTS = 1000


@dataclass(frozen=True)
class Made:
    """One output with the facts of its line."""

    output: Output
    facts: dict[str, Any]

    @property
    def suffix(self) -> str:
        return Path(self.output.key).suffix


def made(manifest: Manifest, journal: Journal) -> Iterator[Made]:
    """The outputs of the lines that the manifest has now, in its order."""
    for entry in manifest.entries():
        result = journal.find(entry.id) if isinstance(entry, Line) else None
        if not isinstance(entry, Line) or result is None or result.status is not Outcome.SUCCEEDED:
            continue
        request = entry.request.model_dump(mode="json", exclude_defaults=True)
        kept: dict[str, Any] = {
            name: request[name] for name in ("model", "prompt", "negative_prompt") if name in request
        }
        parameters = json.dumps(entry.request.parameters, sort_keys=True)
        for output in result.outputs:
            facts: dict[str, Any] = {
                "id": entry.name or entry.id,
                **kept,
                "seed": output.seed,
                "parameters": parameters,
            }
            yield Made(output, facts)


def write_folder(source: Destination, found: Iterator[Made], target: Path) -> int:
    """Files and a `metadata.jsonl` that names them: `load_dataset("imagefolder", data_dir=...)` reads it.

    Returns how many outputs there are. Raises NotFound: a file is gone.
    """
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    with (target / "metadata.jsonl").open("w", encoding="utf-8") as metadata:
        for count, one in enumerate(found, 1):
            name = f"{count:08d}{one.suffix}"
            (target / name).write_bytes(source.read(one.output.key))
            metadata.write(json.dumps({"file_name": name, **one.facts}, ensure_ascii=False) + "\n")
    return count


def write_shards(source: Destination, found: Iterator[Made], target: Path) -> int:
    """Tar files `shard-000000.tar` and so on: of each output its file, its prompt as .txt and its facts as .json.

    Returns how many outputs there are. Raises NotFound: a file is gone.
    """
    target.mkdir(parents=True, exist_ok=True)
    count, shard = 0, None
    try:
        for count, one in enumerate(found, 1):
            if (count - 1) % SHARD_OUTPUTS == 0:
                if shard is not None:
                    shard.close()
                shard = tarfile.open(target / f"shard-{(count - 1) // SHARD_OUTPUTS:06d}.tar", "w")  # noqa: SIM115
            assert shard is not None
            contents = {
                one.suffix: source.read(one.output.key),
                ".txt": one.facts["prompt"].encode(),
                ".json": json.dumps(one.facts, ensure_ascii=False).encode(),
            }
            for suffix, content in contents.items():
                member = tarfile.TarInfo(f"{count:08d}{suffix}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    finally:
        if shard is not None:
            shard.close()
    return count


#: Ways to write, by the name that `bulk export --to` takes.
FORMS: dict[str, Callable[[Destination, Iterator[Made], Path], int]] = {
    "datasets": write_folder,
    "webdataset": write_shards,
}
