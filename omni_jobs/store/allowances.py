"""Limits of accounts and keys, what they used by day, and bytes that are about to be stored.

Limits are kept in Redis, so that every door meets them; the defaults come from the settings with each call.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from omni_jobs.errors import InvalidRequest, NotFound, QuotaExceeded, RateLimited
from omni_jobs.schemas.access import Limits, Usage
from omni_jobs.store.core import StoreCore

NO_LIMITS = Limits()
#: What a limit reads that is lifted, whatever the default.
LIFTED = "none"
#: Days of usage that are kept.
KEPT_DAYS = 100
_EPOCH = date(1970, 1, 1)


class Allowances(StoreCore):
    """An owner is an account, or `account/key_id`."""

    def set_limits(self, owner: str, changes: Mapping[str, float | str | None]) -> None:
        """Changes some limits of an account or key; `"none"` lifts one, None goes back to the default.

        Raises:
            InvalidRequest: a name that is no limit, or queued jobs of a key, which are counted by account.
        """
        self._check_account(owner.partition("/")[0])
        key = self.keys("limits", owner)
        for name, value in changes.items():
            if name not in Limits.model_fields or (name == "queued_jobs" and "/" in owner):
                raise InvalidRequest(f"`{name}` is no limit of {owner}.", field=name, value=value)
            self._ask(("HDEL", key, name) if value is None else ("HSET", key, name, value))

    def own_limits(self, owner: str) -> dict[str, str]:
        """The limits that an owner has of its own, as text; `none` is one that was lifted."""
        (flat,) = self._ask(("HGETALL", self.keys("limits", owner)))
        return {name.decode(): value.decode() for name, value in flat.items()}

    def owner_of(self, name: str) -> str:
        """The owner that an account's name or a key's id means. Raises NotFound: there is no such key."""
        if not name.startswith("key_"):
            return self._check_account(name)
        (account,) = self._ask(("HGET", self.keys("api_key", name), "account"))
        if account is None:
            raise NotFound(f"There is no key {name}.", field="key_id", value=name, remedy="See `keys list`.")
        return f"{account.decode()}/{name}"

    def usage(self, owner: str, days: int = 1) -> list[Usage]:
        """What an owner used on each of the last days of UTC, today first; days without any are left out."""
        today = datetime.fromtimestamp(self._now_seconds(), UTC).date()
        wanted = [today - timedelta(days=back) for back in range(min(days, KEPT_DAYS))]
        found = self._ask(*(("HGETALL", self.keys("usage", owner, (day - _EPOCH).days)) for day in wanted))
        return [
            Usage.model_validate({"day": day, **{name.decode(): float(value) for name, value in flat.items()}})
            for day, flat in zip(wanted, found, strict=True)
            if flat
        ]

    def reserve_bytes(
        self, account: str, size_bytes: int, *, limits: Limits = NO_LIMITS, key_id: str | None = None
    ) -> None:
        """Counts bytes before they are stored. Raises QuotaExceeded: the day allows no more."""
        arguments = {
            "account": self._check_account(account),
            "key_id": key_id,
            "bytes": size_bytes,
            "limits": limits.model_dump(exclude_none=True),
        }
        word, *answer = self.scripts.run("reserve_bytes", arguments)
        if word == b"quota":
            raise quota_error(answer)

    def _now_seconds(self) -> float:
        return time.time() if self.scripts.clock_ms is None else self.scripts.clock_ms / 1000


def quota_error(answer: list[bytes]) -> QuotaExceeded:
    """From a script's reply: owner, name of the limit, used, limit, milliseconds until the next day."""
    owner, name, used, limit = (part.decode() for part in answer[:4])
    error = QuotaExceeded(
        f"{owner} has used {float(used):g} of {float(limit):g} (`{name}`).",
        field=name,
        remedy="It begins anew at midnight UTC; the operator can change it with `omni-jobs limits`.",
    )
    error.retry_after_seconds = int(answer[4]) / 1000
    return error


def rate_error(answer: list[bytes]) -> RateLimited:
    """From a script's reply: owner, limit, milliseconds to wait."""
    error = RateLimited(f"{answer[0].decode()} makes more than {int(answer[1])} requests a minute.")
    error.retry_after_seconds = int(answer[2]) / 1000
    return error
