"""What a manifest may call a picture: an id, a path or pattern, an object of a bucket, a web address.

The token of a file is its SHA-256, so that a line whose picture was replaced is another line, and a picture that
many lines use is sent once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from glob import glob, has_magic
from pathlib import Path

from omni_jobs.errors import InvalidRequest

ID_PREFIXES = ("upl_", "art_")
BUCKET = "s3://"
WEB = ("https://", "http://")
#: Files whose digests are remembered.
REMEMBERED = 4096


class Pictures:
    """Pictures named in one manifest; paths are below its folder. `check` looks into each file, once."""

    def __init__(self, folder: Path, check: Callable[[Path], object] | None = None) -> None:
        self._folder = folder
        self._check = check
        self._remembered = lru_cache(REMEMBERED)(self._token_of)

    def __call__(self, name: str) -> Mapping[str, str]:
        """By token, where each picture lies.

        Raises:
            InvalidRequest: there is no such file, it is no picture (InvalidMedia), or its kind of address is not
                taken.
        """
        if name.startswith((BUCKET, *WEB)):
            # Known by its address: asking for the digest would cost a request a line.
            return {f"url-{hashlib.sha256(name.encode()).hexdigest()[:40]}": name}
        if "://" in name or name.startswith("data:"):
            raise InvalidRequest(
                f"{name[:80]!r} cannot be read.",
                field="images",
                value=name,
                remedy="Give a file, a pattern, s3://bucket/key, https://..., or an upload's id.",
            )
        path = self._folder / name
        if name.startswith(ID_PREFIXES) and not path.exists():
            return {name: name}
        files = files_fitting(self._folder, name) if has_magic(name) and not path.exists() else [str(path)]
        if not files:
            raise InvalidRequest(f"{name!r} fits no file below {self._folder}.", field="images", value=name)
        return {self._token(file): file for file in files}

    def _token(self, file: str) -> str:
        try:
            facts = Path(file).stat()
            return self._remembered(file, facts.st_size, facts.st_mtime_ns)
        except OSError as error:
            raise InvalidRequest(
                f"{file} cannot be read: {error.strerror}.", field="images", value=file
            ) from error

    def _token_of(self, file: str, _size: int, _changed: int) -> str:
        path = Path(file)
        if self._check is not None:
            self._check(path)
        with path.open("rb") as content:
            return f"sha256-{hashlib.file_digest(content, 'sha256').hexdigest()}"


def files_fitting(folder: Path, pattern: str) -> list[str]:
    """The files of a pattern (`**` is any depth), sorted."""
    found = glob(str(folder / pattern), recursive=True)  # noqa: PTH207  the pattern may be absolute
    return sorted(file for file in found if Path(file).is_file())
