"""Looks for what should never be: jobs that their indexes forgot, indexes that name no job. Used by `upkeep`.

Each job is examined, and mended, by one atomic script, so that a service may run meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omni_jobs.names import KEY_PATTERNS
from omni_jobs.store.delivery_log import ENDED
from omni_jobs.store.scripts import translated
from omni_jobs.store.serving import Serving
from omni_jobs.store.values import Ref

#: Indexes whose members are jobs: one of each, and one for each model. Keys whose names hold a job.
INDEXES = ("leases", "delayed", "deadlines", "expiring")
MODEL_INDEXES = ("waiting", "alone")
JOB_KEYS = ("job", "request", "events", "result", "progress", "preview")
SCAN_COUNT = 1000


@dataclass(frozen=True)
class Damage:
    """One thing that should not be. `code` is stable; `where` is a job (account/id), a key or an object."""

    code: str
    where: str
    message: str
    is_mended: bool = False


class Examining(Serving):
    """The walk over everything that names a job."""

    def named_jobs(self) -> set[Ref]:
        """Every job that a record or an index names, whether it is there or not."""
        found = {ref for name in JOB_KEYS for ref in self._refs_in_names(name)}
        for name in INDEXES:
            found.update(self._refs_in(self.keys(name)))
        for name in MODEL_INDEXES:
            for key in self._scan(name):
                found.update(self._refs_in(key))
        for account, key in self._account_lists():
            found.update(Ref(account, job) for job in self._ids(key))
        return found

    def waited_for(self) -> list[str]:
        """The models that jobs wait for."""
        return sorted(
            {key.removeprefix(self.keys(name, "")) for name in MODEL_INDEXES for key in self._scan(name)}
        )

    def examine(self, ref: Ref, models: Sequence[str] = (), *, mend: bool = False) -> list[Damage]:
        """What is wrong with one job; mended where that is safe, if asked.

        Args:
            models: where a job whose record is gone may still wait, see `waited_for`.
        """
        arguments = {"account": ref.account, "id": ref.job_id, "models": list(models), "mend": mend or None}
        _word, is_newer, found = self.scripts.run("examine", arguments)
        if is_newer:
            return [Damage("newer_version", str(ref), "was written by a later version and is left alone")]
        return [Damage(code.decode(), str(ref), text.decode(), bool(mended)) for code, text, mended in found]

    def examine_counts(self, *, mend: bool = False) -> list[Damage]:
        """Whether the count of queued jobs, by which submits are admitted, is what the lists say."""
        accounts = sorted({account for account, _ in self._account_lists()})
        counted, kept, mended = self.scripts.run("recount", {"accounts": accounts, "mend": mend or None})
        if counted == kept:
            return []
        return [Damage("count_wrong", "queued", f"{kept} are counted and {counted} are listed", bool(mended))]

    def examine_outbox(self, *, mend: bool = False) -> list[Damage]:
        """Webhooks that are kept and would never be sent, or are due and gone."""
        outbox = self.keys("outbox")
        ended = [self.keys("ended_deliveries", state) for state in ENDED]
        named = self._ids(outbox).union(*map(self._ids, ended))
        kept = {key.removeprefix(self.keys("delivery", "")) for key in self._scan("delivery")}
        found = []
        for one in sorted(kept ^ named):
            # Asked again, together: it may have been written or settled between the two readings.
            exists, due, *ends = self._ask(
                ("EXISTS", self.keys("delivery", one)), *(("ZSCORE", index, one) for index in (outbox, *ended))
            )
            if exists and due is None and not any(ends):
                found.append(Damage("delivery_forgotten", one, "a webhook that nobody would send", mend))
                remedy: tuple[str | int, ...] = ("ZADD", outbox, "NX", 0, one)
            elif not exists and due is not None:
                found.append(Damage("delivery_missing", one, "is due, and its content is gone", mend))
                remedy = ("ZREM", outbox, one)
            else:
                continue
            if mend:
                self._ask(remedy)
        return found

    def _account_lists(self) -> Iterator[tuple[str, str]]:
        """The lists of jobs by account, and by account and status, each with its account."""
        begin = self.keys("account_jobs", "")
        for key in self._scan("account_jobs"):
            yield key.removeprefix(begin).partition(":")[0], key

    def _refs_in_names(self, name: str) -> Iterator[Ref]:
        """The jobs whose account and id are part of a key's name."""
        begin = self.keys(name, "", "").removesuffix(":")
        for key in self._scan(name):
            account, _, job_id = key.removeprefix(begin).partition(":")
            yield Ref(account, job_id)

    def _scan(self, name: str) -> list[str]:
        begin = self.keys.prefix + ":" + KEY_PATTERNS[name].partition("%s")[0]
        with translated():
            return [key.decode() for key in self.redis.scan_iter(f"{begin}*", count=SCAN_COUNT)]

    def _ids(self, key: str) -> set[str]:
        with translated():
            return {member.decode() for member, _ in self.redis.zscan_iter(key, count=SCAN_COUNT)}

    def _refs_in(self, key: str) -> set[Ref]:
        return {Ref.parse(member) for member in self._ids(key)}
