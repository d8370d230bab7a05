"""Opens the store that one line of configuration names. Called once a process, at its entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from storage.base import ObjectStore
from storage.errors import Misconfigured
from storage.local import LocalStore
from storage.s3 import S3Store
from storage.s3_options import S3Options

#: Options that are secrets: arguments of `open_store`, never a part of an address that ends up in logs.
_SECRETS = frozenset({"access_key_id", "secret_access_key", "session_token", "signing_secret"})


def open_store(url: str, **options: Any) -> ObjectStore:
    """The object store at `url`; nothing is sent or written before the first call but a local root folder.

    Args:
        url: a path, `file:///path`, or `s3://bucket/prefix?endpoint=http://host:port&region=...`.
        options: the same options as in the query, which they overrule, and the credentials: for S3 the fields
            of `S3Options`, for a folder `signing_secret` (bytes) and `link_base`.

    Raises:
        Misconfigured: an unknown scheme, option or value, or a credential in the address.
    """
    if "://" not in url:
        return _open_local(Path(url), options)
    # The address may hold a secret: no message below may repeat it.
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    leaked = sorted(_SECRETS & {name.lower() for name in query})
    if "@" in parts.netloc or leaked:
        raise Misconfigured(
            f"the storage address holds a credential ({', '.join(leaked) or 'user:password@'}).",
            remedy="Give it as an argument or setting, or through the standard AWS environment.",
        )
    if parts.fragment:
        raise Misconfigured("the storage address has a '#' part.", remedy="Write %23 for a '#' in a path.")
    merged = {**query, **options}
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return _open_local(Path(unquote(parts.path)), merged)
    if parts.scheme == "s3" and parts.netloc:
        return _open_s3(parts.netloc, unquote(parts.path).strip("/"), merged)
    raise Misconfigured(
        f"no object store for {parts.scheme}://{parts.netloc}.",
        remedy="Write a path, file:///path or s3://bucket/prefix",
    )


def _open_local(root: Path, options: Mapping[str, Any]) -> LocalStore:
    return LocalStore(root, **_parsed(options, {"link_base": str, "signing_secret": _secret_bytes}, "folder"))


def _open_s3(bucket: str, prefix: str, options: Mapping[str, Any]) -> S3Store:
    return S3Store(S3Options(bucket, prefix, **_parsed(options, _S3_PARSERS, "S3")))


def _parsed(options: Mapping[str, Any], parsers: Mapping[str, Callable[[Any], Any]], kind: str) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for name, value in options.items():
        if name not in parsers:
            near = get_close_matches(name, parsers, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(parsers))}."
            raise Misconfigured(f"unknown option {name!r} for a store of kind {kind}.", remedy=remedy)
        if value is None:
            continue
        try:
            parsed[name] = parsers[name](value)
        except ValueError as error:
            shown = "" if name in _SECRETS or "@" in str(value) else f" is {value!r}"
            raise Misconfigured(f"storage option {name!r}{shown}: {error}.") from None
    return parsed


def _secret_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


def _address(value: Any) -> str:
    parts = urlsplit(str(value))
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be http(s)://host[:port], without credentials")
    return str(value)


def _flag(value: Any) -> bool:
    text = str(value).lower()
    if text not in {"0", "1", "false", "true"}:
        raise ValueError("must be 0 or 1")
    return text in {"1", "true"}


def _checksum(value: Any) -> str:
    if value not in {"when_supported", "when_required"}:
        raise ValueError("must be 'when_supported' or 'when_required'")
    return str(value)


def _positive_seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 < seconds < float("inf"):
        raise ValueError("must be a number of seconds above 0")
    return seconds


def _positive_count(value: Any) -> int:
    count = int(str(value))
    if count < 1:
        raise ValueError("must be a whole number above 0")
    return count


_S3_PARSERS: dict[str, Callable[[Any], Any]] = {
    "endpoint": _address,
    "public_endpoint": _address,
    "region": str,
    "path_style": _flag,
    "checksum": _checksum,
    "connect_timeout_seconds": _positive_seconds,
    "read_timeout_seconds": _positive_seconds,
    "max_attempts": _positive_count,
    "max_connections": _positive_count,
    "access_key_id": str,
    "secret_access_key": str,
    "session_token": str,
}
