"""A customer's own place for an output: a presigned PUT, or a presigned POST with its form fields.

Checked when the job is submitted, delivered from the outbox after the outputs were committed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints

Text = Annotated[str, StringConstraints(max_length=4000)]
Header = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[ -~]*$")]
HeaderName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9-]+$")]


#: What says how a message is framed or where it goes: ours to write.
OUR_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})


class CopyTarget(BaseModel):
    """Where one output is copied. `headers` go with a PUT, `fields` come before the file of a POST form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl
    method: Literal["PUT", "POST"] = "PUT"
    headers: dict[HeaderName, Header] = Field(default_factory=dict, max_length=16)
    fields: dict[Text, Text] = Field(default_factory=dict, max_length=32)

    @property
    def sent_headers(self) -> dict[str, str]:
        """The headers that go with a PUT, names in lower case, so that each takes the place of ours."""
        named = {name.lower(): value for name, value in self.headers.items()}
        return {name: value for name, value in named.items() if name not in OUR_HEADERS}

    def ends_at(self) -> datetime | None:
        """When the permission ends, as far as the link or the form's policy tells."""
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(str(self.url)).query)}
        try:
            return _end_of_link(query) or _end_of_policy(self.fields)
        except (ValueError, OverflowError):
            return None


def _end_of_link(query: Mapping[str, str]) -> datetime | None:
    """S3 and its like (both signature versions), Google's, Azure's."""
    for vendor in ("x-amz", "x-goog"):
        if f"{vendor}-date" in query and f"{vendor}-expires" in query:
            began = datetime.strptime(query[f"{vendor}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return began + timedelta(seconds=int(query[f"{vendor}-expires"]))
    if "expires" in query and "signature" in query:
        return datetime.fromtimestamp(int(query["expires"]), UTC)
    if "se" in query and "sig" in query:
        return datetime.fromisoformat(query["se"]).astimezone(UTC)
    return None


def _end_of_policy(fields: Mapping[str, str]) -> datetime | None:
    policy = next((value for name, value in fields.items() if name.lower() == "policy"), None)
    if policy is None:
        return None
    told = json.loads(base64.b64decode(policy))
    return datetime.fromisoformat(told["expiration"]).astimezone(UTC) if "expiration" in told else None
