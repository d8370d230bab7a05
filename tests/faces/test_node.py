"""The Node packages of OpenAI, Replicate and fal, unmodified, as npm gives them, at the same service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.faces.conftest import Service

pytestmark = [pytest.mark.node, pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm here")]
PACKAGES = ("openai@6", "replicate@1", "@fal-ai/client@1")
SCRIPT = """
import fs from "node:fs";
import OpenAI, { toFile } from "openai";
import Replicate from "replicate";
import { createFalClient } from "@fal-ai/client";
const [url, key] = [process.env.URL_, process.env.KEY];
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const replicate = new Replicate({ auth: key, baseUrl: `${url}/v1` });
const told = {};
const drawn = await openai.images.generate({ model: "gpt-image-1", prompt: "a red circle on white", seed: 7 });
told.drawn = Buffer.from(drawn.data[0].b64_json, "base64").subarray(1, 4).toString();
const file = await toFile(Buffer.from(drawn.data[0].b64_json, "base64"), "in.png", { type: "image/png" });
const edited = await openai.images.edit({ model: "shapes", prompt: "make the circle blue", image: [file] });
told.edited = edited.data.length;
told.stream = [];
const stream = await openai.images.generate({ model: "sim", prompt: "a fox", stream: true });
for await (const event of stream) told.stream.push(event.type);
try {
  await openai.images.generate({ model: "sim", prompt: "a fox", size: "big" });
} catch (error) { told.refused = [error.status, error.param]; }
told.models = (await openai.models.list()).data.map((model) => model.id).sort();
told.run = await replicate.run("black-forest-labs/flux-schnell", { input: { prompt: "a fox", num_outputs: 2 } });
told.upload = await replicate.run("omni-jobs/shapes", {
  input: { prompt: "make the circle blue", image: Buffer.from(drawn.data[0].b64_json, "base64") },
});
told.events = [];
const streamed = replicate.stream("omni-jobs/sim", { input: { prompt: "a fox" } });
for await (const event of streamed) told.events.push(event.event);
const input = { prompt: "a fox", num_inference_steps: 200 };
const slow = await replicate.predictions.create({ model: "omni-jobs/slow", input });
told.canceled = (await replicate.predictions.cancel(slow.id)).status;
try {
  await replicate.run("omni-jobs/sim", { input: { prompt: "a fox that cannot be drawn" } });
} catch (error) { told.failed = error.message; }
// The package knows only its vendor's hosts; its own hook for requests leads to ours.
const requestMiddleware = async (request) => ({
  ...request,
  url: request.url
    .replace("https://queue.fal.run", `${url}/fal/queue`)
    .replace("https://fal.run", `${url}/fal/run`),
});
const fal = createFalClient({ credentials: key, requestMiddleware });
const states = [];
const watched = await fal.subscribe("omni/slow", {
  input: { prompt: "a fox", num_inference_steps: 40 },
  mode: "streaming", logs: true, onQueueUpdate: (update) => states.push(update),
});
told.fal = {
  states: states.map((one) => one.status), logs: states.at(-1).logs.map((line) => line.message),
  picture: watched.data.images[0].url, id: watched.requestId, same: states.at(-1).request_id,
};
const pieces = await fal.stream("omni/sim", { input: { prompt: "a fox" } });
told.fal.stream = (await pieces.done()).images.length;
told.fal.streamId = pieces.requestId;
const long = await fal.queue.submit("omni/slow", { input, priority: "low" });
await fal.queue.cancel("omni/slow", { requestId: long.request_id });
told.fal.canceled = (await fal.queue.status("omni/slow", { requestId: long.request_id })).error_type;
try {
  await fal.subscribe("omni/sim", { input: { prompt: "a fox", image_size: "big" } });
} catch (error) { told.fal.refused = [error.status, JSON.stringify(error.body)]; }
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
def told(service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script tells of what the packages got."""
    folder: Path = tmp_path_factory.mktemp("node")
    (folder / "script.mjs").write_text(SCRIPT)
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES]
    subprocess.run(install, cwd=folder, check=True, timeout=200)
    environment = os.environ | {"URL_": service.url, "KEY": service.key}
    ended = subprocess.run(
        ["node", "script.mjs"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_openai(told: dict[str, Any]) -> None:
    assert (told["drawn"], told["edited"]) == ("PNG", 1)
    assert told["stream"] == ["image_generation.completed"]
    assert told["refused"] == [400, "size"]
    assert {"shapes", "sim"} <= set(told["models"])


def test_replicate(told: dict[str, Any]) -> None:
    assert len(told["run"]) == 2
    assert told["upload"][0].startswith("http")
    assert told["events"][-2:] == ["output", "done"]
    assert told["canceled"] == "canceled"
    assert "raised as asked" in told["failed"]


def test_fal(told: dict[str, Any]) -> None:
    fal = told["fal"]
    assert fal["states"][-1] == "COMPLETED"
    assert "IN_PROGRESS" in fal["states"]
    assert fal["logs"]
    assert all(line.endswith("/40") for line in fal["logs"])
    assert fal["picture"].startswith("https://")
    assert fal["id"] == fal["same"]
    assert (fal["stream"], fal["streamId"][:4]) == (1, "job_")
    assert fal["canceled"] == "canceled"
    status, body = fal["refused"]
    assert status == 400
    assert "image_size" in body
