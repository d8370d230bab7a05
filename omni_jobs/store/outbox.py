"""The outbox of webhooks, written with each move by the scripts and emptied by the courier.

At least once, one id per event.
"""

from __future__ import annotations

from omni_jobs.store.codec import delivery_of, fields_of
from omni_jobs.store.core import StoreCore
from omni_jobs.store.values import Delivery, Outcome

#: A delivery that was given up can be replayed for so long.
DEAD_TTL_SECONDS = 30 * 24 * 3600


class Outbox(StoreCore):
    """Deliveries due, settled, given up, replayed."""

    def take_deliveries(self, limit: int = 20, lease_seconds: float = 60.0) -> list[Delivery]:
        """Deliveries whose time has come, oldest first; each comes again after the lease unless it is settled."""
        taken = self.scripts.run("take_deliveries", {"limit": limit, "lease_ms": round(lease_seconds * 1000)})
        return [delivery_of(fields_of(flat)) for flat in taken]

    def settle_delivery(
        self,
        delivery_id: str,
        outcome: Outcome,
        *,
        delay_seconds: float = 0.0,
        error: str | None = None,
    ) -> bool:
        """Ends (`delivered`, `dead`) or postpones a delivery; False if it is gone.

        `later` counts the try, `untried` gives it back, `replay` begins to count anew; each after the delay.
        """
        arguments = {
            "id": delivery_id,
            "outcome": outcome,
            "delay_ms": round(delay_seconds * 1000),
            "error": None if error is None else error[:500],
            "dead_ttl_ms": DEAD_TTL_SECONDS * 1000,
        }
        return bool(self.scripts.run("settle_delivery", arguments))

    def dead_deliveries(self, limit: int = 100) -> list[Delivery]:
        """Deliveries that were given up, newest first."""
        (ids,) = self._ask(("ZREVRANGE", self.keys("dead_deliveries"), 0, limit - 1))
        hashes = self._ask(*(("HGETALL", self.keys("delivery", one.decode())) for one in ids))
        return [delivery_of(fields_of(found)) for found in hashes if found]
