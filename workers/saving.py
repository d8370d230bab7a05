"""Outputs of `Omni` as files, encoded as a worker would: PNG, MP4, WAV. Used by examples and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omni_jobs.schemas import OutputOptions
from workers.engine_process.outputs import spool_output
from workers.engine_process.spool import Kind
from workers.media import encode

#: Where pipelines put media of each kind.
FIELDS: dict[Kind, str] = {"image": "images", "video": "frames", "audio": "audios"}


def save_media(
    media: Any, folder: Path, stem: str, kind: Kind = "image", rates: Mapping[Kind, float] | None = None
) -> list[Path]:
    """Write pictures, clips or sounds to `folder`/`stem`-0, -1 and so on; `rates` are frames or samples a second.

    Raises:
        ValueError: what is given is no media of this kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with TemporaryDirectory(prefix="saving-") as spool:
        for number, file in enumerate(spool_output({FIELDS[kind]: media}, Path(spool), rates)):
            encoded = encode(file, OutputOptions())
            written.append(folder / f"{stem}-{number}.{encoded.extension}")
            written[-1].write_bytes(encoded.content)
    return written
