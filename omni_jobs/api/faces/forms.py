"""Requests of other APIs that may come as a form with files or as JSON: read the same way by every face."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from omni_jobs.api import bodies
from omni_jobs.api.faces.asking import card_for
from omni_jobs.api.faces.fields import Table, extras_of, typed, unfolded
from omni_jobs.api.faces.pictures import Given, given_file
from omni_jobs.api.service import Service
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import ModelCard

MAX_FILES = 17
MAX_FORM_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """The model, the fields that mean something, and the files of a form by their field."""

    card: ModelCard
    picked: dict[str, Any]
    files: list[tuple[str, Given]] = field(default_factory=list)

    def files_of(self, *names: str) -> list[Given]:
        """The files of these fields, in order."""
        return [given for name, given in self.files if name in names]


async def json_object(request: Request) -> dict[str, Any]:
    """The body. Raises InvalidRequest: no JSON object."""
    body = await bodies.read_json(request)
    if not isinstance(body, dict):
        raise InvalidRequest(f"The body is a JSON object, not {type(body).__name__}.", value=body)
    return body


async def asked_of(
    request: Request, service: Service, table: Table, media: str, file_fields: Collection[str] = ()
) -> Asked:
    """Reads a request. Raises InvalidRequest, UnknownModel, TooLarge."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        body = await json_object(request)
        card = await card_for(service, body.get("model"), media)
        return Asked(card, table.pick(body, extras_of(card)))
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FORM_FIELDS) as form:
        pairs = form.multi_items()
        texts = unfolded((name, value) for name, value in pairs if isinstance(value, str))
        card = await card_for(service, texts.get("model"), media)
        asked = Asked(card, table.pick(typed(texts, table, card), extras_of(card)))
        for name, value in pairs:
            if isinstance(value, str):
                continue
            place = name.partition("[")[0]
            if place not in file_fields or not isinstance(value, UploadFile):
                known = ", ".join(sorted(file_fields)) or "none"
                raise InvalidRequest(
                    f"`{name}` is not a file of this form.", field=name, remedy=f"Known: {known}."
                )
            asked.files.append((place, await given_file(value, name, service.settings.max_input_bytes)))
    return asked
