"""Checks lines against the catalogue before anything runs. Lines that differ only in words are checked once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from omni_jobs.bulk.manifest import Entry, Line, Problem
from omni_jobs.bulk.manifest.line import CIRCUMSTANCES
from omni_jobs.errors import InvalidRequest, OmniJobsError, UnknownModel
from omni_jobs.schemas import JobRequest, ModelCard, nearest

#: Kinds of lines whose answer is remembered.
REMEMBERED = 1024


class Checker:
    """What the models of a catalogue say of lines."""

    def __init__(self, cards: Mapping[str, ModelCard]) -> None:
        self._cards = cards
        self._answers = lru_cache(REMEMBERED)(self._answer)

    def entries(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries; a line that its model refuses is a problem."""
        for entry in entries:
            if isinstance(entry, Line) and (error := self.refusal(entry.request)) is not None:
                yield Problem.of(entry.number, error, entry.name)
            else:
                yield entry

    def refusal(self, request: JobRequest) -> OmniJobsError | None:
        """Why the model will not take this job, if it will not."""
        plain = request.model_copy(
            update={"prompt": "-", "seed": 0, "negative_prompt": request.negative_prompt and "-"}
        )
        facts = plain.model_dump(mode="json", exclude=CIRCUMSTANCES, exclude_defaults=True)
        return self._answers(json.dumps(facts, sort_keys=True))

    def _answer(self, facts: str) -> OmniJobsError | None:
        request = JobRequest.model_validate_json(facts)
        card = self._cards.get(request.model)
        if card is None:
            remedy = nearest(request.model, self._cards) if self._cards else "No model is served; start a worker."
            return UnknownModel(
                f"There is no model {request.model!r}.", field="model", value=request.model, remedy=remedy
            )
        try:
            card.validate_job(request)
        except InvalidRequest as error:
            return error
        return None
