"""What the signed manifest of an output claims, as data; `signature.py` has it signed.

The prompt and the parameters are never in it: they stand in the file, if the job lets them, and the signature
covers the whole file.
"""

from __future__ import annotations

from typing import Any

from omni_jobs import __version__
from omni_jobs.schemas import JobRequest

GENERATOR = {"name": "omni-jobs", "version": __version__}
#: IPTC's words for where digital media come from.
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
#: By which the manifest's actions refer to the picture that a job has edited.
PARENT = "parent"


def manifest_of(job: JobRequest) -> dict[str, Any]:
    """The definition that C2PA's builder takes.

    A generation is created. An edit opens its first picture and edits it: in C2PA every history begins with one of
    these two, and what is opened is an ingredient. The model is told if the job lets its files say how they were
    made.
    """
    agent = {"name": job.model} if job.output.embed_metadata else GENERATOR
    if job.task == "edit":
        actions = [
            {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}},
            _action("c2pa.edited", "compositeWithTrainedAlgorithmicMedia", agent),
        ]
        ingredients = [{"title": "input picture", "relationship": "parentOf", "label": PARENT}]
    else:
        actions = [_action("c2pa.created", "trainedAlgorithmicMedia", agent)]
        ingredients = []
    return {
        "claim_generator_info": [GENERATOR],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
        "ingredients": ingredients,
    }


def _action(name: str, source_type: str, agent: dict[str, str]) -> dict[str, Any]:
    return {"action": name, "digitalSourceType": SOURCE_TYPES + source_type, "softwareAgent": agent}
