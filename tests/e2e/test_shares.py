"""Accounts share the device: a flood of one leaves another its half, on a worker with the simulated device."""

from __future__ import annotations

from tests.e2e.deployment import Deployment
from tests.store.conftest import create

#: Enough that what is in flight or on its way to storage when it is measured weighs little.
QUIET_JOBS, MEASURED_JOBS = 50, 48


def test_a_hundred_to_one_flood_leaves_the_shares_within_a_tenth(deployment: Deployment) -> None:
    store, four_steps = deployment.store, {"num_inference_steps": 4}
    for account, count in (("flood", 100 * QUIET_JOBS), ("quiet", QUIET_JOBS)):
        for _ in range(count):
            create(store, account=account, model="sim", prompt="a fox", parameters=four_steps)
    deployment.start_worker("simulated?launch_ms=5", slots=8)
    deployment.until(lambda: sum(day.succeeded for day in store.usage("quiet")) >= MEASURED_JOBS)
    spent = {account: store.usage(account)[0].device_seconds for account in ("flood", "quiet")}
    assert 0.45 <= spent["quiet"] / sum(spent.values()) <= 0.55, spent
