"""`make demo`: the whole service on one machine, used as a stranger would use it, measured and judged.

Everything here is a client: of `omni-jobs up`, of the HTTP API, of webhooks. What needs torch runs as a child.
"""

from omni_jobs.demo.run import Options, run_demo

__all__ = ["Options", "run_demo"]
