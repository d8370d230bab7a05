"""The dashboard's files as they go over HTTP: bytes, type and tag, read once. `api/dashboard.py` serves them.

The page holds its styles, so that its first sight waits for nothing else, and names all other files below a folder
called after what they hold, so that a browser may keep them for good.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("static")
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_STYLES = re.compile(rb'<link rel="stylesheet" href="(\w+\.css)">')
_VERSIONED = re.compile(r"^v-[0-9a-f]{12}/")
_NAMED_IN_PAGE = re.compile(rb'(?<==")(?=[\w/]+\.(?:js|svg)")')


@dataclass(frozen=True)
class StaticFile:
    """One file; `tag` changes with its content."""

    content: bytes
    media_type: str
    tag: str


@dataclass(frozen=True)
class Site:
    """All files by their path; `version` changes with any of them.

    `styles` are the digests of the page's styles, as a content security policy names them.
    """

    files: Mapping[str, StaticFile]
    version: str
    styles: tuple[str, ...]

    def find(self, path: str) -> StaticFile | None:
        """The file at a path below the dashboard's address, also below the folder of a version."""
        return self.files.get(_VERSIONED.sub("", path) or INDEX)

    def is_fixed(self, path: str) -> bool:
        """Whether what is at this path never changes."""
        return path.startswith(f"{self.version}/")


@cache
def site() -> Site:
    """The dashboard as it is installed."""
    paths = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    files = {path.relative_to(FOLDER).as_posix(): _file(path.read_bytes(), TYPES[path.suffix]) for path in paths}
    version = f"v-{_digest(''.join(file.tag for file in files.values()).encode())[:12]}"
    sheets = {name: files[name.decode()].content for name in _STYLES.findall(files[INDEX].content)}
    page = _STYLES.sub(lambda found: b"<style>%b</style>" % sheets[found[1]], files[INDEX].content)
    page = _NAMED_IN_PAGE.sub(f"{version}/".encode(), page)
    return Site(files | {INDEX: _file(page, TYPES[".html"])}, version, tuple(map(_allowed, sheets.values())))


def _allowed(sheet: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(sheet).digest()).decode()}'"


def _file(content: bytes, media_type: str) -> StaticFile:
    return StaticFile(content, media_type, f'"{_digest(content)[:16]}"')


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
