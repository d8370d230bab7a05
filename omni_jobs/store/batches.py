"""Records of batches, newest first by account, and which process works on which: a lock that ends by itself."""

from __future__ import annotations

from omni_jobs.errors import NotFound, QuotaExceeded, Superseded
from omni_jobs.schemas.batches import Batch
from omni_jobs.store.core import StoreCore

#: A finished batch is kept so long.
BATCH_TTL_SECONDS = 60 * 24 * 3600
#: Batches of one account that have not ended: who works on one has its file, up to 200 MB, on its own disk.
MAX_OPEN_BATCHES = 20


class Batches(StoreCore):
    """What the API's batch runners share. Only the holder of a batch's lock changes its record."""

    def add_batch(self, batch: Batch) -> None:
        """Keeps a new batch, to be worked on. Raises QuotaExceeded: too many of the account have not ended."""
        arguments = {
            "account": self._check_account(batch.account),
            "id": batch.id,
            "created_ms": round(batch.created_at.timestamp() * 1000),
            "ttl_seconds": BATCH_TTL_SECONDS,
            "most": MAX_OPEN_BATCHES,
        }
        (word,) = self.scripts.run("add_batch", arguments, batch.model_dump_json().encode())
        if word != b"added":
            raise QuotaExceeded(
                f"The account has {MAX_OPEN_BATCHES} batches that have not ended.",
                field="input_file_id",
                value=batch.input_file_id,
                remedy="Wait for one to end, or cancel one.",
            )

    def save_batch(self, batch: Batch, holder: str) -> None:
        """Writes a batch as it stands now; one that has ended is worked on no more.

        Raises:
            Superseded: the holder was too slow, and the lock is no longer its own.
        """
        arguments = {
            "account": batch.account,
            "id": batch.id,
            "holder": holder,
            "is_final": batch.status.is_final,
            "ttl_seconds": BATCH_TTL_SECONDS,
        }
        (word,) = self.scripts.run("save_batch", arguments, batch.model_dump_json().encode())
        if word != b"saved":
            raise Superseded(f"Batch {batch.id} is worked on by another process.")

    def close_batch(self, account: str, batch_id: str) -> None:
        """Forgets that a batch is open whose record is gone."""
        self._ask(("SREM", self.keys("open_batches"), f"{account}/{batch_id}"))

    def batch(self, account: str, batch_id: str) -> Batch:
        """A batch. Raises NotFound."""
        (text,) = self._ask(("GET", self.keys("batch", account, batch_id)))
        if text is None:
            raise NotFound(f"There is no batch {batch_id} in account {account}.", field="batch_id", value=batch_id)
        return Batch.model_validate_json(text)

    def list_batches(self, account: str) -> list[Batch]:
        """The account's batches, newest first."""
        index = self.keys("batches", account)
        (members,) = self._ask(("ZREVRANGE", index, 0, -1))
        if not members:
            return []
        (texts,) = self._ask(("MGET", *(self.keys("batch", account, one.decode()) for one in members)))
        if gone := [one for one, text in zip(members, texts, strict=True) if text is None]:
            self._ask(("ZREM", index, *gone))
        return [Batch.model_validate_json(text) for text in texts if text is not None]

    def open_batches(self) -> list[tuple[str, str]]:
        """Account and id of every batch that has not ended."""
        (members,) = self._ask(("SMEMBERS", self.keys("open_batches")))
        pairs = (member.decode().partition("/") for member in sorted(members))
        return [(account, batch_id) for account, _, batch_id in pairs]

    def open_batches_of(self, account: str) -> list[Batch]:
        """The account's batches that have not ended."""
        ids = [batch_id for owner, batch_id in self.open_batches() if owner == account]
        if not ids:
            return []
        (texts,) = self._ask(("MGET", *(self.keys("batch", account, one) for one in ids)))
        return [Batch.model_validate_json(text) for text in texts if text is not None]

    def ask_to_cancel_batch(self, account: str, batch_id: str) -> None:
        """A wish for whoever works on it."""
        self._ask(("SET", self.keys("batch_cancel", account, batch_id), 1, "EX", BATCH_TTL_SECONDS))

    def is_batch_to_cancel(self, account: str, batch_id: str) -> bool:
        """Whether somebody wished so."""
        return bool(self._ask(("EXISTS", self.keys("batch_cancel", account, batch_id)))[0])

    def hold_batch(self, account: str, batch_id: str, holder: str, seconds: float) -> bool:
        """Takes or prolongs the lock; False if somebody else has it."""
        key, life = self.keys("batch_lock", account, batch_id), round(seconds * 1000)
        taken, owner = self._ask(("SET", key, holder, "NX", "PX", life), ("GET", key))
        if taken is None and owner == holder.encode():
            self._ask(("PEXPIRE", key, life))
        return taken is not None or owner == holder.encode()

    def release_batch(self, account: str, batch_id: str, holder: str) -> None:
        """Gives a lock back at once, if it is still this holder's."""
        if self.hold_batch(account, batch_id, holder, 1.0):
            self._ask(("DEL", self.keys("batch_lock", account, batch_id)))

    def statuses(self, account: str, job_ids: list[str]) -> list[str | None]:
        """The statuses of these jobs, None for those that are not there."""
        found = self._ask(*(("HGET", self.keys("job", account, one), "status") for one in job_ids))
        return [None if status is None else status.decode() for status in found]
