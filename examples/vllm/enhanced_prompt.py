"""A prompt rewritten before it is drawn: python examples/vllm/enhanced_prompt.py [API] [MODEL] [PROMPT]

The service needs to know who rewrites, an endpoint or the queue of a vLLM engine (see docs/vllm.md):

    OMNI_ENHANCER_URL=http://127.0.0.1:8001/v1 OMNI_ENHANCER_MODEL=writer omni-jobs up --model shapes
"""

import sys

import httpx

api, model, prompt, *_ = [*sys.argv[1:], *("http://127.0.0.1:8000", "shapes", "a red star")[len(sys.argv) - 1 :]]

with httpx.Client(base_url=api, timeout=60) as http:
    answer = http.post("/v1/jobs", json={"model": model, "prompt": prompt, "enhance_prompt": True})
    if answer.is_error:
        sys.exit(answer.json()["detail"])
    job = answer.json()
    while job["status"] in ("queued", "running"):
        job = http.get(f"/v1/jobs/{job['id']}", params={"wait": 30}).raise_for_status().json()
    print("asked:", job["request"]["prompt"])
    print("drawn:", job.get("revised_prompt") or f"the same ({job.get('enhancement_skipped')})")
