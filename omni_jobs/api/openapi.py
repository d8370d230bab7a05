"""The OpenAPI document: FastAPI's, with the schemas of bodies that the routes read by hand, and the webhooks."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from omni_jobs import __version__
from omni_jobs.api.bodies import JobBatch
from omni_jobs.api.problems import Problem
from omni_jobs.schemas import JobRequest
from omni_jobs.webhooks.message import WebhookBody

DESCRIPTION = """Generation and edit jobs, rendered by a pool of workers. Submit a job, then poll it (`wait`),
stream its events, or be told by a webhook. Errors are problem JSON (RFC 9457)."""
_REF = "#/components/schemas/{model}"


def install(app: FastAPI) -> None:
    """Makes `app.openapi()` give our document; it is built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="omni-jobs", version=__version__, description=DESCRIPTION, routes=app.routes,
        separate_input_output_schemas=False,
    )  # fmt: skip
    read_by_hand = [(model, "validation") for model in (JobRequest, JobBatch, Problem, WebhookBody)]
    _, definitions = models_json_schema(cast(Any, read_by_hand), ref_template=_REF)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    # What the model's own validator asks beyond single fields.
    schemas["JobRequest"]["properties"]["prompt"] |= {"minLength": 1, "pattern": r"[^\s\x1c-\x1f\x85]"}
    schemas["JobRequest"] |= {
        "if": {"properties": {"task": {"const": "edit"}}, "required": ["task"]},
        "then": {"properties": {"images": {"minItems": 1}}, "required": ["images"]},
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path in document["paths"].values():
        for operation in path.values():
            _correct(operation)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}, {}]
    document["webhooks"] = {"job": {"post": _webhook()}}
    return document


def _correct(operation: dict[str, Any]) -> None:
    """What FastAPI writes down and we do not do: its own 422, and parameters that are null."""
    if _is_fastapis(operation):
        del operation["responses"]["422"]
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        real = [one for one in schema.pop("anyOf", []) if one.get("type") != "null"]
        for one in real[:1]:
            parameter["schema"] = {**one, **{name: schema[name] for name in ("title",) if name in schema}}


def _is_fastapis(operation: dict[str, Any]) -> bool:
    """Whether the 422 is the one that FastAPI adds for its own body, which we never send."""
    schema = operation["responses"].get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("HTTPValidationError")


def _webhook() -> dict[str, Any]:
    return {
        "summary": "An event of a job, signed by Standard Webhooks",
        "requestBody": {"content": {"application/json": {"schema": {"$ref": _REF.format(model="WebhookBody")}}}},
        "responses": {"204": {"description": "Any 2xx ends the delivery; 410 ends all deliveries to this URL."}},
    }
