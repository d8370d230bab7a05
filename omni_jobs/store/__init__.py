"""The job store: durable records in Redis, every change one atomic script. Synchronous and safe for threads.

Asynchronous callers use `asyncio.to_thread`. Opened with `connect`; shared by producers, workers and the courier.
"""

from __future__ import annotations

from omni_jobs.names import Keys
from omni_jobs.settings import Settings
from omni_jobs.store.allowances import Allowances
from omni_jobs.store.attaching import Attaching
from omni_jobs.store.batches import Batches
from omni_jobs.store.connection import check_server, open_redis
from omni_jobs.store.delivery_log import DeliveryFilter, DeliveryLog
from omni_jobs.store.examining import Damage, Examining
from omni_jobs.store.files import Files
from omni_jobs.store.keyring import Keyring
from omni_jobs.store.listing import Listing
from omni_jobs.store.operating import Operating
from omni_jobs.store.outbox import Outbox
from omni_jobs.store.pressure import Pressure
from omni_jobs.store.rewriting import Rewriting
from omni_jobs.store.sweeping import Sweeping
from omni_jobs.store.values import Claim, Delivery, FeedEntry, Outcome, Reconciled, Ref, Ring, Suspicion
from omni_jobs.store.waking import Waking
from omni_jobs.store.writing import Writing

__all__ = [
    "Claim",
    "Damage",
    "Delivery",
    "DeliveryFilter",
    "FeedEntry",
    "JobStore",
    "Outcome",
    "Reconciled",
    "Ref",
    "Ring",
    "Suspicion",
    "connect",
]


class JobStore(
    Writing,
    Listing,
    Examining,
    Sweeping,
    Outbox,
    DeliveryLog,
    Attaching,
    Batches,
    Files,
    Waking,
    Keyring,
    Allowances,
    Pressure,
    Rewriting,
    Operating,
):
    """The whole store; each part stands in a module of its own."""


def connect(settings: Settings) -> JobStore:
    """Opens the store that the settings name and checks the server.

    Raises:
        QueueUnavailable: it does not answer.
        Misconfigured: URL, credentials, version, cluster mode or eviction policy.
    """
    url = settings.redis_url.get_secret_value()
    client = open_redis(url, max_connections=max(64, settings.slots + 32))
    check_server(client)
    return JobStore(client, Keys(settings.key_prefix), broker_url=url)
