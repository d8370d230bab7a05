"""Serves the dashboard's files. They hold no data, so no key is asked; what they fetch asks for one."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from omni_jobs.api.service import Served, Service
from omni_jobs.dashboard.files import site
from omni_jobs.errors import NotFound
from storage import LocalStore

PATH = "/dashboard/"
router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/dashboard")
async def entrance() -> Response:
    """Leads to the dashboard, relatively: a proxy may serve us below a path of its own."""
    return RedirectResponse("dashboard/", 307)


@router.get(PATH)
@router.get(PATH + "{name:path}")
async def file(request: Request, service: Served, name: str = "") -> Response:
    """One of its files. Raises NotFound."""
    found = site().find(name)
    if found is None:
        raise NotFound(f"The dashboard has no file {name!r}.", field="name", value=name)
    age = "public, max-age=31536000, immutable" if site().is_fixed(name) else "no-cache"
    headers = {"etag": found.tag, "cache-control": age, **protections(picture_origin(service))}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, 200, headers, media_type=found.media_type)


def picture_origin(service: Service) -> str:
    """Where links to outputs lead, if not to this API: the bucket's address."""
    if isinstance(service.objects, LocalStore):
        return _origin(service.settings.public_url or "")
    return _origin(service.objects.presign_get("any", 60))


def protections(pictures: str) -> dict[str, str]:
    """Headers by which a browser runs nothing but these files, and shows them in nobody's frame."""
    media = f"'self' blob: data: {pictures}".strip()
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": " ".join(site().styles),
        "connect-src": "'self'",
        "img-src": media,
        "media-src": media,
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
