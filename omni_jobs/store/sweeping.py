"""What time does to jobs: leases end, holds end, deadlines pass, records grow old.

Called by the courier and by workers, some seconds apart.
"""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any

from omni_jobs.schemas.deliveries import DeliveryState
from omni_jobs.store.fleet import Fleet
from omni_jobs.store.scripts import translated
from omni_jobs.store.values import Reconciled, Ref, Ring

#: A job that waits so long beside free slots is rung for again.
RING_AFTER_SECONDS = 10.0


class Sweeping(Fleet):
    """The reconciler's sweep, and figures for dashboards and autoscalers."""

    _sweeper_id: str | None = None

    def reconcile(
        self, limit: int = 100, *, interval_seconds: float = 5.0, grace_seconds: float = 15.0
    ) -> Reconciled:
        """One sweep over what is due, at most `limit` jobs of each kind. One process leads; others do nothing.

        Args:
            interval_seconds: how often the caller sweeps; the leadership lasts three times as long.
            grace_seconds: after a gap between sweeps (a frozen server) no lease is ended for so long.

        Returns:
            Counts, and the jobs for which the caller should ring.
        """
        self._sweeper_id = self._sweeper_id or secrets.token_hex(8)
        arguments = {
            "me": self._sweeper_id,
            "leader_ms": round(interval_seconds * 3000),
            "limit": limit,
            "gap_ms": round(interval_seconds * 2000 + 1000),
            "grace_ms": round(grace_seconds * 1000),
            "ring_after_ms": round(RING_AFTER_SECONDS * 1000),
            "rooms": self._rooms(),
        }
        reply = self.scripts.run("reconcile", arguments)
        return _reconciled(reply) if reply[0] == b"leader" else Reconciled()

    def stats(self) -> dict[str, Any]:
        """Depths and waits: queued, held, running, per model {ready, alone, oldest_wait_seconds}, deliveries."""
        keys = self.keys
        models = [card.name for card in self.cards()]
        queued, held, running, outbox, dead, clock = self._ask(
            ("GET", keys("queued_count")),
            ("ZCARD", keys("delayed")),
            ("ZCARD", keys("leases")),
            ("ZCARD", keys("outbox")),
            ("ZCARD", keys("ended_deliveries", DeliveryState.GIVEN_UP)),
            ("TIME",),
        )
        now_ms = self.scripts.clock_ms or int(clock[0]) * 1000 + int(clock[1]) // 1000
        return {
            "queued": int(queued or 0),
            "held": held,
            "running": running,
            "deliveries": outbox,
            "dead_deliveries": dead,
            "models": {model: self._depth(model, now_ms) for model in models},
        }

    def _depth(self, model: str, now_ms: int) -> dict[str, float]:
        ready, alone = self._ask(("ZCARD", self.keys("waiting", model)), ("ZCARD", self.keys("alone", model)))
        with translated():
            oldest = self.redis.zrange(self.keys("waiting", model), 0, 0, withscores=True)
        wait = max(0.0, (now_ms - float(oldest[0][1])) / 1000) if oldest else 0.0
        return {"ready": ready, "alone": alone, "oldest_wait_seconds": wait}

    def _rooms(self) -> dict[str, int]:
        rooms: Counter[str] = Counter()
        for worker in self.workers():
            for model in worker.models:
                if worker.serves(model) and worker.free_slots:
                    rooms[model] += worker.free_slots
        return dict(rooms)


def _reconciled(reply: list[Any]) -> Reconciled:
    _, released, failed, expired, promoted, cleaned, grace, rings = reply
    return Reconciled(
        is_leader=True,
        released=released,
        failed=failed,
        expired=expired,
        promoted=promoted,
        cleaned=cleaned,
        is_in_grace=bool(grace),
        rings=tuple(Ring(Ref(account.decode(), job.decode()), model.decode()) for account, job, model in rings),
    )
