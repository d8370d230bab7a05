"""The operator's LoRA files of each model: which there are, and where the one a job names lies on this machine.

The worker publishes the names with the model's card and gives the engine process paths; a job never names a path.
No torch here.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import structlog

from omni_jobs.errors import InvalidRequest, Misconfigured, StorageUnavailable
from omni_jobs.schemas import ModelCard, nearest
from omni_jobs.settings import Settings
from storage import ObjectStore, StorageError, open_store
from workers.engine.request import LoRARequest
from workers.objects import credentials
from workers.registry import ModelRow

log = structlog.get_logger(__name__)

SUFFIX = ".safetensors"
#: Time between two listings of a bucket.
LISTING_SECONDS = 30.0
#: Adapters of one request, and how strongly one may act.
MOST_LORAS = 8
GREATEST_SCALE = 10.0
#: A card lists so many names; above, it says only what a name looks like, and the worker knows the rest.
MOST_NAMES = 500
NAME = r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,199}$"


class LoraFolder(Protocol):
    """Files by their names without the suffix."""

    def names(self) -> tuple[str, ...]:
        """The files there are now, in order; never raises, the last known ones if the store does not answer."""
        ...

    def path(self, name: str) -> Path:
        """The file on this machine.

        Raises:
            KeyError: there is none of this name. StorageUnavailable: the store does not answer.
        """
        ...


class LocalFolder:
    """The files directly in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise Misconfigured(
                f"`lora_folder`: there is no folder {folder}.", field="lora_folder", value=str(folder)
            )

    def names(self) -> tuple[str, ...]:
        try:
            files = [path.name for path in self._folder.iterdir()]
        except OSError as error:
            log.warning("adapters cannot be listed", folder=str(self._folder), error=str(error))
            return ()
        return names_among(files)

    def path(self, name: str) -> Path:
        if name not in self.names():
            raise KeyError(name)
        return self._folder.absolute() / f"{name}{SUFFIX}"


class StoredFolder:
    """The objects directly under a prefix of a bucket, copied to `cache` when a job first asks for them."""

    def __init__(self, objects: ObjectStore, cache: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._objects = objects
        self._cache = cache
        self._clock = clock
        self._lock = threading.Lock()
        self._versions: Mapping[str, str] = {}
        self._listed_at = clock() - LISTING_SECONDS

    def names(self) -> tuple[str, ...]:
        try:
            if self._clock() - self._listed_at >= LISTING_SECONDS:
                self.refresh()
        except StorageUnavailable as error:
            log.warning("adapters cannot be listed", error=str(error))
        return tuple(sorted(self._versions))

    def path(self, name: str) -> Path:
        with self._lock:
            if name not in self._versions:
                self.refresh()  # it may be newer than the listing
            path = self._cache / f"{self._versions[name]}{SUFFIX}"
            if not path.is_file():
                self._copy(f"{name}{SUFFIX}", path)
            return path

    def refresh(self) -> None:
        """List the store now. Raises StorageUnavailable."""
        self._listed_at = self._clock()
        try:
            found = {
                one.key: f"{one.size_bytes}-{one.modified_at.timestamp():.6f}" for one in self._objects.list()
            }
        except StorageError as error:
            raise StorageUnavailable(f"The adapters' store failed: {error.message}") from error
        self._versions = {name: f"{name}-{found[name + SUFFIX]}" for name in names_among(found)}

    def _copy(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        try:
            with self._objects.open(key) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, 2**20)
        except StorageError as error:
            raise StorageUnavailable(f"The adapters' store failed: {error.message}") from error
        part.replace(path)


class NoFolder:
    """Of a model for which the operator has no adapters."""

    def names(self) -> tuple[str, ...]:
        return ()

    def path(self, name: str) -> Path:
        raise KeyError(name)


def open_folder(row: ModelRow, settings: Settings, cache: Path) -> LoraFolder:
    """What a row's `lora_folder` means: a folder, or `s3://bucket/prefix?...` as a storage URL is written.

    Raises:
        Misconfigured, StorageUnavailable: it is not there, with the remedy.
    """
    if row.lora_folder is None:
        return NoFolder()
    if "://" not in row.lora_folder:
        return LocalFolder(Path(row.lora_folder).expanduser())
    try:
        folder = StoredFolder(
            open_store(row.lora_folder, **credentials(settings)), cache / quote(row.name, safe="")
        )
    except StorageError as error:
        raise Misconfigured(f"`lora_folder`: {error.message}", field="lora_folder", remedy=error.remedy) from error
    folder.refresh()
    return folder


def names_among(files: Sequence[str] | Mapping[str, Any]) -> tuple[str, ...]:
    """The adapters among file names or keys: those that end as they should, not hidden and in no deeper folder."""
    stems = (file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX))
    return tuple(sorted(stem for stem in stems if re.match(NAME, stem)))


def with_loras(card: ModelCard, names: Sequence[str]) -> ModelCard:
    """The card of a model for which there are these adapters: it takes the parameter `loras`."""
    name: dict[str, Any] = {"type": "string", "pattern": NAME}
    scale = {"type": "number", "minimum": -GREATEST_SCALE, "maximum": GREATEST_SCALE, "default": 1.0}
    one = {
        "type": "object",
        "properties": {"name": {"enum": list(names)} if len(names) <= MOST_NAMES else name, "scale": scale},
        "required": ["name"],
        "additionalProperties": False,
    }
    loras = {"type": "array", "items": one, "maxItems": MOST_LORAS, "default": card.defaults.get("loras", [])}
    schema = dict(card.parameters_schema)
    schema["properties"] = {**schema.get("properties", {}), "loras": loras}
    return card.model_copy(update={"parameters_schema": schema})


def resolve(folder: LoraFolder, asked: Sequence[Mapping[str, Any]]) -> tuple[LoRARequest, ...]:
    """What a job's `loras` mean on this machine.

    Raises:
        InvalidRequest: there is no such adapter (any more), or one is asked for twice.
        StorageUnavailable: the store that holds it does not answer.
    """
    found: dict[str, LoRARequest] = {}
    for index, one in enumerate(asked):
        name, field = str(one["name"]), f"parameters.loras.{index}.name"
        if name in found:
            raise InvalidRequest(f"`{field}`: {name!r} is asked for twice.", field=field, value=name)
        try:
            path = folder.path(name)
        except KeyError:
            raise InvalidRequest(
                f"`{field}`: there is no adapter {name!r}.",
                field=field,
                value=name,
                remedy=nearest(name, folder.names()),
            ) from None
        found[name] = LoRARequest(name, lora_path=str(path), scale=float(one.get("scale", 1.0)))
    return tuple(found.values())
