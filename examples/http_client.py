"""Draw a picture over HTTP and edit it, with nothing but an HTTP client: python examples/http_client.py [API]."""

import sys
from pathlib import Path

import httpx

api = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"


def finished(http: httpx.Client, body: dict) -> dict:
    """Submit a job and wait for its end."""
    answer = http.post("/v1/jobs", json=body)
    if answer.is_error:
        sys.exit(answer.json()["detail"])  # names the field, the value and the remedy
    job = answer.json()
    while job["status"] in ("queued", "running"):
        job = http.get(f"/v1/jobs/{job['id']}", params={"wait": 30}).raise_for_status().json()
    if job["status"] != "succeeded":
        sys.exit(f"{job['id']} {job['status']}: {job.get('error', {}).get('message', '')}")
    return job


with httpx.Client(base_url=api, timeout=60) as http:
    drawn = finished(http, {"model": "shapes", "prompt": "a yellow star at the top on blue", "seed": 3})
    edited = finished(
        http,
        {
            "task": "edit",
            "model": "shapes",
            "prompt": "move the star to the bottom",
            "images": [drawn["artifacts"][0]["id"]],
        },
    )
    for name, job in (("drawn.png", drawn), ("edited.png", edited)):
        Path(name).write_bytes(httpx.get(job["artifacts"][0]["url"]).raise_for_status().content)
        print(name, "seed", job["seed"], job["sharing"])
