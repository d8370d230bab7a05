"""Records of files, newest first by account; the objects themselves are the object store's."""

from __future__ import annotations

from datetime import UTC, datetime

from omni_jobs.errors import NotFound
from omni_jobs.schemas.files import StoredFile
from omni_jobs.store.core import StoreCore


class Files(StoreCore):
    """Small records with an end of life."""

    def add_file(self, account: str, file: StoredFile) -> None:
        """Keeps a file's record until it expires."""
        self._check_account(account)
        key, created_ms = self.keys("file", account, file.id), round(file.created_at.timestamp() * 1000)
        life: tuple[object, ...] = ()
        if file.expires_at is not None:
            life = ("PX", max(1, round((file.expires_at - datetime.now(UTC)).total_seconds() * 1000)))
        self._ask(
            ("SET", key, file.model_dump_json(exclude_none=True), *life),
            ("ZADD", self.keys("files", account), created_ms, file.id),
        )

    def keep_file_until(self, account: str, file: StoredFile, at: datetime) -> None:
        """Lets a file live on until then, if it would not and is still there."""
        if file.expires_at is None or file.expires_at >= at:
            return
        text = file.model_copy(update={"expires_at": at}).model_dump_json(exclude_none=True)
        self._ask(("SET", self.keys("file", account, file.id), text, "XX", "PXAT", round(at.timestamp() * 1000)))

    def file(self, account: str, file_id: str) -> StoredFile:
        """A file's record. Raises NotFound."""
        (text,) = self._ask(("GET", self.keys("file", account, file_id)))
        if text is None:
            raise NotFound(
                f"There is no file {file_id} in account {account}.", field="file_id", value=file_id,
                remedy="Files are kept until they expire or are deleted.",
            )  # fmt: skip
        return StoredFile.model_validate_json(text)

    def list_files(self, account: str) -> tuple[list[StoredFile], list[str]]:
        """All files, newest first, and the ids of those that have expired since the last time."""
        index = self.keys("files", account)
        (members,) = self._ask(("ZREVRANGE", index, 0, -1))
        ids = [member.decode() for member in members]
        if not ids:
            return [], []
        (texts,) = self._ask(("MGET", *(self.keys("file", account, one) for one in ids)))
        gone = [one for one, text in zip(ids, texts, strict=True) if text is None]
        if gone:
            self._ask(("ZREM", index, *gone))
        return [StoredFile.model_validate_json(text) for text in texts if text is not None], gone

    def forget_file(self, account: str, file_id: str) -> None:
        """Removes a record; one that is not there is a success."""
        self._ask(("DEL", self.keys("file", account, file_id)), ("ZREM", self.keys("files", account), file_id))
