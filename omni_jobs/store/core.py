"""What every part of the store shares: the client, the keys, the scripts. The parts are mixed in `JobStore`."""

from __future__ import annotations

from typing import Any

import redis

from omni_jobs.errors import InvalidRequest
from omni_jobs.names import ACCOUNT_PATTERN, Keys
from omni_jobs.store.scripts import Scripts, translated


class StoreCore:
    """Base of the store's parts. `broker_url` is where doorbells go; it may hold a password and is not shown."""

    def __init__(self, client: redis.Redis, keys: Keys, *, broker_url: str = "") -> None:
        self.redis = client
        self.keys = keys
        self.broker_url = broker_url
        self.scripts = Scripts(client, keys.prefix)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prefix={self.keys.prefix!r})"

    def _ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """The replies of several commands sent together, each as `redis.execute_command` would give it."""
        with translated():
            pipeline = self.redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

    @staticmethod
    def _check_account(account: str) -> str:
        if not ACCOUNT_PATTERN.match(account):
            raise InvalidRequest(
                f"`account`: {account!r} is not an account name.",
                field="account",
                value=account,
                remedy="Use 1 to 64 letters, digits, dots, dashes and underscores.",
            )
        return account
