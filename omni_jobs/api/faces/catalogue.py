"""Which of our models the client of another API means. Pure; called by every face with the catalogue's cards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from omni_jobs.errors import InvalidRequest, Misconfigured, UnknownModel
from omni_jobs.schemas import ModelCard, nearest

#: Names that a client has from another vendor's manual; they mean whatever one model is served here.
FOREIGN = re.compile(r"^(gpt-image|chatgpt-image|dall-e|sora)")


def find_model(
    cards: Sequence[ModelCard], wanted: str | None, *, aliases: Mapping[str, str], media: str | None = None
) -> ModelCard:
    """The card that `wanted` names: by itself, by an alias, without owner and version, or as the only one.

    Args:
        aliases: from `model_aliases`; the name `*` stands for every name that nobody else knows.
        media: what the only card must make, where the client named none or another vendor's.

    Raises:
        UnknownModel: none fits; the remedy names those that do.
    """
    known = {card.name: card for card in cards}
    if wanted is not None:
        bare = wanted.partition(":")[0]
        short = bare.rpartition("/")[2]
        for name in (wanted, aliases.get(wanted), bare, aliases.get(bare), short, aliases.get(short)):
            if name in known:
                return known[str(name)]
    if aliases.get("*") in known:
        return known[aliases["*"]]
    fitting = [card for card in cards if media is None or card.media == media]
    if (wanted is None or FOREIGN.match(wanted)) and len(fitting) == 1:
        return fitting[0]
    raise _unknown(wanted, [card.name for card in fitting])


def _unknown(wanted: str | None, names: list[str]) -> InvalidRequest:
    if not names:
        remedy = "Start a worker that serves one."
    elif wanted is None:
        remedy = f"Say one of: {', '.join(sorted(names))}."
    else:
        remedy = f"{nearest(wanted, names)} The operator can give it other names (OMNI_MODEL_ALIASES)."
    told = (
        "No model is named and there is not exactly one." if wanted is None else f"There is no model {wanted!r}."
    )
    return UnknownModel(f"`model`: {told}", field="model", value=wanted, remedy=remedy)


def parse_aliases(text: str) -> dict[str, str]:
    """The setting `model_aliases`, NAME=MODEL with commas between. Raises Misconfigured."""
    aliases = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, model = (one.strip() for one in part.partition("="))
        if not (name and equals and model):
            raise Misconfigured(
                f"OMNI_MODEL_ALIASES: {part!r} is not NAME=MODEL.",
                field="model_aliases",
                remedy="Write them as gpt-image-1=flux-dev,*=sdxl.",
            )
        aliases[name] = model
    return aliases
