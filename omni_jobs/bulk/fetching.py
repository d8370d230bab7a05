"""Reads the input pictures of lines from where they lie: files, objects of buckets, the web. In a thread."""

from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

from omni_jobs.bulk.manifest.pictures import BUCKET, WEB
from omni_jobs.errors import Forbidden, InvalidMedia, Misconfigured, NotFound
from omni_jobs.fetching import Fetcher, FetchPolicy
from omni_jobs.settings import Settings


def read_picture(place: str, settings: Settings) -> bytes:
    """The bytes of a picture. A bucket that is the deployment's own is reached as the settings say.

    Raises:
        InvalidMedia: there is none. StorageUnavailable: the bucket does not answer.
    """
    if place.startswith(BUCKET):
        return _read_object(place, settings)
    if place.startswith(WEB):
        return _read_url(place, settings)
    try:
        return Path(place).read_bytes()
    except OSError as error:
        raise InvalidMedia(f"{place} cannot be read: {error.strerror}.", field="images", value=place) from error


def _read_url(url: str, settings: Settings) -> bytes:
    """A picture of the web, as far as `OMNI_FETCH_URLS` of this process allows."""
    fetcher = Fetcher(
        FetchPolicy.parse(settings.fetch_urls),
        max_bytes=settings.max_input_bytes,
        timeout_seconds=settings.fetch_timeout_seconds,
    )
    content = BytesIO()
    try:
        asyncio.run(fetcher.fetch(url, content, "images"))
    except Forbidden as error:
        raise InvalidMedia(error.message, field="images", value=url, remedy=error.remedy) from error
    return content.getvalue()


def _read_object(place: str, settings: Settings) -> bytes:
    # Only now: a bucket needs more packages than a client has.
    from omni_jobs.bulk.bucket import Bucket

    parts, own = urlsplit(place), urlsplit(settings.storage_url)
    query = parts.query or (own.query if (own.scheme, own.netloc) == (parts.scheme, parts.netloc) else "")
    bucket = Bucket(f"{BUCKET}{parts.netloc}" + (f"?{query}" if query else ""), settings)
    try:
        return bucket.read(parts.path.lstrip("/"))
    except (NotFound, Misconfigured) as error:
        raise InvalidMedia(f"{place} cannot be read: {error}", field="images", value=place) from error
    finally:
        bucket.close()
