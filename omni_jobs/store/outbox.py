"""The outbox of webhooks, written with each move by the scripts and emptied by the courier.

At least once, one id per event.
"""

from __future__ import annotations

import structlog

from omni_jobs.names import new_id
from omni_jobs.schemas.deliveries import TEST, Attempt
from omni_jobs.store.codec import Fields, delivery_of, fields_of
from omni_jobs.store.core import StoreCore
from omni_jobs.store.values import Delivery, Outcome

LOG = structlog.get_logger(__name__)


class Outbox(StoreCore):
    """Deliveries due and settled."""

    def take_deliveries(self, limit: int = 20, lease_seconds: float = 60.0) -> list[Delivery]:
        """Deliveries whose time has come, oldest first; each comes again after the lease unless it is settled."""
        taken = self.scripts.run("take_deliveries", {"limit": limit, "lease_ms": round(lease_seconds * 1000)})
        return [one for flat in taken if (one := _read(fields_of(flat))) is not None]

    def settle_delivery(
        self,
        delivery_id: str,
        outcome: Outcome,
        *,
        delay_seconds: float = 0.0,
        attempt: Attempt | None = None,
    ) -> bool:
        """Ends (`delivered`, `given_up`) or postpones a delivery; False if it is gone or has ended.

        `later` counts the try, `untried` gives it back; each after the delay. `attempt` goes into the log.
        Progress is forgotten, whatever the outcome.
        """
        arguments = {
            "id": delivery_id,
            "outcome": outcome,
            "delay_ms": round(delay_seconds * 1000),
            "attempt": attempt and attempt.model_dump_json(exclude_none=True),
            "error": attempt and attempt.error,
        }
        return bool(self.scripts.run("settle_delivery", arguments))

    def post_test(self, account: str, url: str) -> str:
        """Puts a test event for a URL into the outbox; the id of its delivery."""
        delivery_id = new_id("tst")
        self.scripts.run("post_test", {"id": delivery_id, "account": account, "url": url, "type": TEST})
        return delivery_id


def _read(fields: Fields) -> Delivery | None:
    """A delivery; None for one that a later version wrote, so that it holds up no other. It comes again."""
    try:
        return delivery_of(fields)
    except (KeyError, ValueError) as error:
        LOG.error("a delivery cannot be read and is left alone", id=fields.get("id"), error=str(error)[:300])
        return None
