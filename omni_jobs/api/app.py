"""Builds the application: settings in, routes mounted, everything opened at start and closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

from omni_jobs import __version__
from omni_jobs.api import (
    artifacts,
    calling_off,
    dashboard,
    deliveries,
    events,
    health,
    jobs,
    keys,
    matching,
    metrics,
    models,
    openapi,
    origins,
    pool,
    problems,
    thumbnails,
    uploads,
    usage,
    webhooks,
)
from omni_jobs.api.access import check_bind
from omni_jobs.api.edge import Edge, Traffic
from omni_jobs.api.fal import queue as fal
from omni_jobs.api.gate import Gate
from omni_jobs.api.openai import batches, files, images, videos
from omni_jobs.api.openai.batch_runner import BatchRunner
from omni_jobs.api.replicate import predictions, versions
from omni_jobs.api.service import Service
from omni_jobs.errors import OmniJobsError
from omni_jobs.fetching import FetchPolicy
from omni_jobs.object_links import open_objects
from omni_jobs.safety import PromptCheck, load_prompt_check
from omni_jobs.settings import Settings, load_settings
from omni_jobs.store import connect

NATIVE = (
    jobs,
    calling_off,
    matching,
    events,
    uploads,
    artifacts,
    thumbnails,
    models,
    webhooks,
    deliveries,
    usage,
    pool,
    keys,
    health,
    metrics,
    dashboard,
)
#: First, because some of their paths lie below native ones that take any path.
FACES = (images, files, videos, batches, predictions, versions, fal)
#: Calls of the store that may be on their way at a time; each takes about a millisecond.
THREADS = 32


def create_app(settings: Settings | None = None, traffic: Traffic | None = None) -> FastAPI:
    """The API of one deployment.

    Raises:
        Misconfigured: it would be reachable from outside and no key exists, or a setting names what is not there.
    """
    settings = settings or load_settings()
    check_bind(settings)
    FetchPolicy.parse(settings.fetch_urls)
    allowed = origins.parse_origins(settings)
    prompt_check = load_prompt_check(settings.prompt_check)
    traffic = traffic or Traffic()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(THREADS, "api") as threads:
            loop.set_default_executor(threads)
            app.state.service = service = await asyncio.to_thread(_open, app, settings, traffic, prompt_check)
            runner = BatchRunner(service, loop)
            runner.start()
            try:
                yield
            finally:
                await asyncio.to_thread(runner.stop)
                await asyncio.to_thread(_close, service)

    app = FastAPI(title="omni-jobs", version=__version__, lifespan=lifespan, redirect_slashes=False)
    app.state.routers = [face.router for face in (*FACES, *NATIVE)]
    for router in app.state.routers:
        app.include_router(router)
    problems.install(app)
    openapi.install(app)
    app.add_middleware(Gate, origins=allowed)
    origins.install(app, allowed)
    app.add_middleware(
        Edge,
        traffic=traffic,
        max_body_bytes=settings.max_body_bytes,
        own_limits=_body_limits(settings.max_input_bytes),
    )
    return app


def _body_limits(max_input_bytes: int) -> dict[str, int]:
    """Bytes of bodies that hold files, by path."""
    limits = {
        uploads.PATH: max_input_bytes,
        files.PATH: files.MAX_BATCH_BYTES,
        videos.PATH: max_input_bytes,
        # Several pictures, or their base64.
        images.EDITS_PATH: 4 * max_input_bytes,
    }
    return {path: limit + uploads.OVERHEAD_BYTES for path, limit in limits.items()}


def _open(app: FastAPI, settings: Settings, traffic: Traffic, prompt_check: PromptCheck | None) -> Service:
    try:
        return Service(settings, connect(settings), open_objects(settings), traffic, prompt_check)
    except OmniJobsError as error:
        app.state.refused = error  # the server ends with a status of its own, whatever the reason
        raise


def _close(service: Service) -> None:
    service.objects.close()
    service.store.close()
