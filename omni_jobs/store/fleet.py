"""Workers, model cards, uploads and the deployment's facts: what producers look up before they submit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from omni_jobs.errors import NotFound, UnknownModel
from omni_jobs.schemas import Deployment, ModelCard, Upload, WorkerInfo, nearest
from omni_jobs.store.core import StoreCore

#: An upload that no job of the account used for so long is forgotten.
UPLOAD_TTL_SECONDS = 30 * 24 * 3600


class Fleet(StoreCore):
    """Small records beside the jobs. Cards outlive workers; who is alive is known by beats."""

    def beat_worker(self, worker: WorkerInfo, ttl_seconds: float) -> None:
        """Says that a worker lives, for so long."""
        ends = time.time() + ttl_seconds
        self._ask(
            ("SET", self.keys("worker", worker.id), worker.model_dump_json(), "PX", round(ttl_seconds * 1000)),
            ("ZADD", self.keys("workers"), f"{ends:.3f}", worker.id),
        )

    def forget_worker(self, worker_id: str) -> None:
        """A worker says goodbye."""
        self._ask(("DEL", self.keys("worker", worker_id)), ("ZREM", self.keys("workers"), worker_id))

    def workers(self) -> list[WorkerInfo]:
        """The live workers, by id."""
        (members,) = self._ask(("ZRANGE", self.keys("workers"), 0, -1))
        if not members:
            return []
        ids = sorted(member.decode() for member in members)
        (states,) = self._ask(("MGET", *(self.keys("worker", one) for one in ids)))
        dead = [one for one, state in zip(ids, states, strict=True) if state is None]
        if dead:
            self._ask(("ZREM", self.keys("workers"), *dead))
        return [WorkerInfo.model_validate_json(state) for state in states if state is not None]

    def publish_card(self, card: ModelCard) -> None:
        """Makes a model known to producers, for good."""
        self._ask(("HSET", self.keys("cards"), card.name, card.model_dump_json()))

    def forget_card(self, model: str) -> None:
        """Takes a model out of the catalogue."""
        self._ask(("HDEL", self.keys("cards"), model))

    def card(self, model: str) -> ModelCard:
        """What may be asked of a model. Raises UnknownModel with the nearest name."""
        (text,) = self._ask(("HGET", self.keys("cards"), model))
        if text is None:
            known = [card.name for card in self.cards()]
            remedy = nearest(model, known) if known else "No worker has published a model yet; start one."
            raise UnknownModel(f"`model`: no worker knows {model!r}.", field="model", value=model, remedy=remedy)
        return ModelCard.model_validate_json(text)

    def cards(self) -> list[ModelCard]:
        """The whole catalogue, by name."""
        (texts,) = self._ask(("HVALS", self.keys("cards")))
        return sorted((ModelCard.model_validate_json(text) for text in texts), key=lambda card: card.name)

    def unknown_models(self, models: Iterable[str]) -> list[str]:
        """Those of these models that have no card."""
        names = list(models)
        found = self._ask(("HMGET", self.keys("cards"), *names))[0] if names else []
        return [name for name, card in zip(names, found, strict=True) if card is None]

    def publish_deployment(self, deployment: Deployment) -> None:
        """Tells producers that know only Redis where objects are kept; no credentials belong here."""
        self._ask(("SET", self.keys("deployment"), deployment.model_dump_json()))

    def deployment(self) -> Deployment | None:
        """What a worker published, if any did yet."""
        (text,) = self._ask(("GET", self.keys("deployment")))
        return None if text is None else Deployment.model_validate_json(text)

    def add_upload(self, account: str, upload: Upload) -> None:
        """Keeps what is known of a stored input."""
        self._check_account(account)
        key = self.keys("upload", account, upload.id)
        self._ask(("SET", key, upload.model_dump_json(exclude_none=True), "EX", UPLOAD_TTL_SECONDS))

    def upload(self, account: str, upload_id: str) -> Upload:
        """A stored input of this account. Raises NotFound."""
        (text,) = self._ask(("GET", self.keys("upload", account, upload_id)))
        if text is None:
            raise NotFound(
                f"There is no upload {upload_id} in account {account}.", remedy="Upload the file again."
            )
        return Upload.model_validate_json(text)

    def keep_uploads(self, account: str, upload_ids: Sequence[str]) -> None:
        """Starts the time to live of uploads anew, because a job uses them."""
        if upload_ids:
            self._ask(*(("EXPIRE", self.keys("upload", account, one), UPLOAD_TTL_SECONDS) for one in upload_ids))
