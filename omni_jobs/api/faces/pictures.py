"""Input pictures as clients of other APIs give them: bytes in a form, data URIs, ids of ours, links of ours, URLs.

Every one becomes an upload or artifact id. Bytes are checked and stored as any upload is.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from starlette.datastructures import UploadFile

from omni_jobs.api.service import Service
from omni_jobs.errors import InvalidRequest, TooLarge
from omni_jobs.names import artifact_id
from omni_jobs.object_links import OBJECTS_PATH

_ID = re.compile(r"^(?:(?:upl|art)_[0-9a-f_]{1,80}|file-[0-9a-f]{1,64})$")
_OWN_PATH = re.compile(r"^/v1/(?:uploads|artifacts|files)/([a-z]+[_-][0-9a-f_]{1,80})(?:/content)?$")
_OUTPUT_KEY = re.compile(r"^out/([a-zA-Z0-9_.-]+)/(job_[0-9a-f]+)/\d+/(\d+)\.")


@dataclass(frozen=True, slots=True)
class Given:
    """A picture as it came: its bytes, or what names it. `field` is where it stood in the request."""

    field: str
    data: bytes | None = None
    reference: str = ""
    filename: str | None = None

    @property
    def digest(self) -> str:
        """The same for the same picture sent again."""
        return self.reference if self.data is None else hashlib.sha256(self.data).hexdigest()


def given_text(text: object, field: str) -> Given:
    """A picture that JSON names: a data URI, an id of ours, or a URL. Raises InvalidRequest."""
    if not isinstance(text, str) or not text:
        raise InvalidRequest(f"`{field}`: {text!r:.80} names no picture.", field=field)
    if text.startswith("data:"):
        return Given(field, data=_data_of(text, field))
    return Given(field, reference=text)


async def given_file(file: UploadFile, field: str, max_bytes: int) -> Given:
    """A picture that a form holds. Raises TooLarge."""
    data = await file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooLarge(f"`{field}`: the file has more than {max_bytes} bytes.", field=field)
    return Given(field, data=data, filename=(file.filename or None) and str(file.filename)[:200])


async def stored_all(
    service: Service, account: str, given: Sequence[Given], base: str, key: str | None = None
) -> list[str]:
    """The ids of these pictures, in order; under one idempotency key the same picture gets the same id.

    Raises:
        InvalidRequest, InvalidMedia, QuotaExceeded, StorageUnavailable; for URLs what `fetch_picture` raises.
    """
    return [await _stored(service, account, one, base, key) for one in given]


async def _stored(service: Service, account: str, given: Given, base: str, key: str | None) -> str:
    upload_id = key and f"upl_{hashlib.sha256(f'{key}/{given.digest}'.encode()).hexdigest()[:28]}"
    if given.data is not None:
        async with service.decoding:
            kept = await asyncio.to_thread(service.keep_picture, account, given.data, given.filename, upload_id)
        return kept.id
    if is_elsewhere(given, account, base):
        return (await service.fetch_picture(account, given.reference, given.field, upload_id)).id
    known = own_id(given.reference, account, base) or _refused(given)
    if not known.startswith("file-"):
        return known
    return (await asyncio.to_thread(service.store.file, account, known)).upload or _refused(given)


async def with_bytes(service: Service, account: str, given: Given, base: str) -> Given:
    """A picture by somebody else's URL with its bytes, for a face that must change it first; others as they are.

    Raises:
        What `Service.fetch_picture` raises.
    """
    if not is_elsewhere(given, account, base):
        return given
    into = io.BytesIO()
    await service.fetcher.fetch(given.reference, into, given.field)
    return replace(given, data=into.getvalue(), reference="")


def is_elsewhere(given: Given, account: str, base: str) -> bool:
    """Whether a picture is named by a URL that is not one of ours."""
    is_url = given.data is None and given.reference.startswith(("https://", "http://"))
    return is_url and own_id(given.reference, account, base) is None


def own_id(reference: str, account: str, base: str) -> str | None:
    """The upload or artifact that an id or a link of ours names, or None."""
    if _ID.match(reference):
        return reference
    try:
        url, own = urlsplit(reference), urlsplit(base)
    except ValueError:
        return None
    if url.netloc != own.netloc or not url.path.startswith(own.path):
        return None
    path = url.path.removeprefix(own.path)
    if match := _OWN_PATH.match(path):
        return match[1]
    if not path.startswith(OBJECTS_PATH):
        return None
    output = _OUTPUT_KEY.match(unquote(path.removeprefix(OBJECTS_PATH)))
    return artifact_id(output[2], int(output[3])) if output and output[1] == account else None


def _data_of(uri: str, field: str) -> bytes:
    head, comma, body = uri.partition(",")
    try:
        if not comma:
            raise ValueError("it has no comma")
        if not head.endswith(";base64"):
            return unquote_to_bytes(body)
        return base64.b64decode("".join(body.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest(f"`{field}`: the data URI is broken: {error}.", field=field) from error


def _refused(given: Given) -> str:
    raise InvalidRequest(
        f"`{given.field}`: {given.reference[:200]!r} is no picture of this account.",
        field=given.field,
        value=given.reference,
        remedy="Send the picture as a data URI or in a form, or upload it first and give its id.",
    )
