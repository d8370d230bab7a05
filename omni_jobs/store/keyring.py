"""API keys in the store: issued, listed, revoked, and looked up at each request. Only digests are kept."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from omni_jobs.errors import InvalidRequest, NotFound, Unauthorized
from omni_jobs.schemas.access import (
    LONGEST_LIFETIME,
    Allowance,
    ApiKey,
    Caller,
    Limits,
    Scope,
    key_digest,
    key_id_of,
    new_key_text,
)
from omni_jobs.store.allowances import NO_LIMITS, rate_error
from omni_jobs.store.codec import Fields, fields_of, moment
from omni_jobs.store.core import StoreCore

#: A key that asks for nothing else may do this.
DEFAULT_SCOPES = (Scope.SUBMIT, Scope.READ)


class Keyring(StoreCore):
    """Keys of all accounts. Whoever reaches Redis may issue them."""

    def issue_key(
        self,
        account: str,
        *,
        name: str = "",
        scopes: Iterable[Scope] = DEFAULT_SCOPES,
        lifetime: timedelta | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which cannot be shown again; good for ever without a lifetime.

        Raises:
            InvalidRequest: the account, the name or the lifetime.
        """
        self._check_account(account)
        if lifetime is not None and not timedelta(0) < lifetime <= LONGEST_LIFETIME:
            raise InvalidRequest(
                f"`lifetime`: {lifetime} is not between nothing and {LONGEST_LIFETIME.days} days.",
                field="lifetime",
                value=str(lifetime),
                remedy="Leave it out for a key that is good until it is revoked.",
            )
        if len(name) > 100 or not name.isprintable():
            raise InvalidRequest(
                "`name`: has more than 100 characters, or unprintable ones.", field="name", value=name
            )
        text = new_key_text()
        key_id = str(key_id_of(text))
        created_ms = self.scripts.clock_ms or round(time.time() * 1000)
        fields = {
            "id": key_id,
            "account": account,
            "name": name,
            "scopes": ",".join(sorted(set(scopes) or DEFAULT_SCOPES)),
            "digest": key_digest(text),
            "created_ms": str(created_ms),
        }
        if lifetime is not None:
            fields["expires_ms"] = str(created_ms + round(lifetime.total_seconds() * 1000))
        flat = [part for field in fields.items() for part in field]
        self._ask(
            ("HSET", self.keys("api_key", key_id), *flat), ("ZADD", self.keys("api_keys"), created_ms, key_id)
        )
        return _key_of(fields), text

    def issued_keys(self, account: str | None = None) -> list[ApiKey]:
        """All keys, or those of one account, oldest first, revoked ones too."""
        (members,) = self._ask(("ZRANGE", self.keys("api_keys"), 0, -1))
        found = self._ask(*(("HGETALL", self.keys("api_key", one.decode())) for one in members))
        keys = [_key_of(fields_of(flat)) for flat in found if flat]
        return [one for one in keys if account is None or one.account == account]

    def revoke_key(self, key_id: str) -> ApiKey:
        """Ends a key at once; one that is revoked already stays as it is. Raises NotFound."""
        place = self.keys("api_key", key_id)
        if not self._ask(("EXISTS", place))[0]:
            raise NotFound(f"There is no key {key_id}.", field="key_id", value=key_id, remedy="See `keys list`.")
        _, flat = self._ask(("HSETNX", place, "revoked_ms", round(time.time() * 1000)), ("HGETALL", place))
        return _key_of(fields_of(flat))

    def admit(self, text: str, limits: Limits = NO_LIMITS) -> Caller:
        """The caller who sent a key, and one more request of theirs.

        Raises:
            Unauthorized: it is none of ours, revoked or expired.
            RateLimited: the account or the key makes too many.
        """
        key_id = key_id_of(text)
        reply: list[Any] = [b"unknown"]
        if key_id is not None:
            defaults = limits.model_dump(exclude_none=True)
            arguments = {"id": key_id, "digest": key_digest(text), "limits": defaults}
            reply = self.scripts.run("admit", arguments)
        match reply[0]:
            case b"revoked":
                raise Unauthorized(
                    f"The key {key_id} is revoked.", field="authorization", remedy="Use another one."
                )
            case b"expired":
                ended = moment(reply[1].decode()).isoformat(timespec="seconds")
                raise Unauthorized(
                    f"The key {key_id} expired at {ended}.", field="authorization", remedy="Ask for a new one."
                )
            case b"limited":
                raise rate_error(reply[1:])
            case b"unknown":
                raise Unauthorized("The key is wrong.", field="authorization", remedy="Look at it again.")
        account, scopes, *left = reply[1:]
        return Caller(
            account.decode(),
            frozenset(map(Scope, scopes.decode().split(","))),
            key_id,
            Allowance(int(left[0][0]), int(left[0][1]), int(left[0][2]) / 1000) if left else None,
        )


def _key_of(fields: Fields) -> ApiKey:
    return ApiKey(
        id=fields["id"],
        account=fields["account"],
        name=fields["name"],
        scopes=tuple(map(Scope, fields["scopes"].split(","))),
        created_at=moment(fields["created_ms"]),
        used_at=moment(fields["used_ms"]) if "used_ms" in fields else None,
        revoked_at=moment(fields["revoked_ms"]) if "revoked_ms" in fields else None,
        expires_at=moment(fields["expires_ms"]) if "expires_ms" in fields else None,
    )
