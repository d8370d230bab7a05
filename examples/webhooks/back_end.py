"""A back end that submits jobs and is told of their ends: python examples/webhooks/back_end.py [API] [PORT].

Start the service with OMNI_WEBHOOK_ALLOW=127.0.0.1:9000: it sends to public addresses only, unless allowed.
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx

from omni_jobs.client import Client
from omni_jobs.errors import Forbidden
from omni_jobs.webhooks import verify

api = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 9000
hook = f"http://127.0.0.1:{port}/omni"

# When the back end is set up; the same URL has the same secret each time.
secret = httpx.post(f"{api}/v1/webhooks", json={"url": hook}).raise_for_status().json()["secret"]

orders = {
    "order-1": "a red circle on white",
    "order-2": "a pink heart on green",
    "order-3": "a black ring on yellow",
}
waiting = set(orders)
seen: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            message = verify(body, self.headers, secret)
        except Forbidden as error:
            self.answer(401)
            print("refused:", error)
            return
        # Answer first and work later: an answer that takes too long counts as none, and the message comes again.
        self.answer(204)
        if self.headers["webhook-id"] in seen:
            return
        seen.add(self.headers["webhook-id"])
        job = message["data"]["job"]
        order = job["request"]["metadata"]["order"]
        print(order, message["type"], job["artifacts"][0]["url"] if job["status"] == "succeeded" else job["error"])
        waiting.discard(order)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """No access log."""


with HTTPServer(("127.0.0.1", port), Receiver) as server, Client(api) as client:
    for order, prompt in orders.items():
        client.submit(
            model="shapes",
            prompt=prompt,
            metadata={"order": order},
            webhook={"url": hook, "events": ["job.succeeded", "job.failed", "job.expired"]},
        )
    while waiting:
        server.handle_request()
