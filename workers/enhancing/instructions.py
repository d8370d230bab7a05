"""What the language model is told: the model's own instruction, or a general one. Data and pure functions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from omni_jobs.schemas.job import MAX_PROMPT_CHARACTERS

#: Instructions by task, for models whose row has none of its own.
GENERAL = {
    "generate": (
        "You rewrite prompts for a text-to-image model. Keep every subject, number, name and quoted text of the "
        "user's prompt, and its language. Add what a painter would need: setting, composition, light, colours, "
        "materials, style. Write one paragraph of at most 120 words. Answer with the prompt alone."
    ),
    "edit": (
        "You rewrite instructions for a model that edits pictures. You do not see the picture: invent nothing "
        "that may be in it. Say plainly what changes, where, and that all else stays. Keep names and quoted text, "
        "and the user's language. Write at most three sentences. Answer with the instruction alone."
    ),
}
#: Most tokens of an answer.
MAX_TOKENS = 512
#: What models that think aloud put before their answer.
THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


def messages_for(prompt: str, instruction: str) -> list[dict[str, str]]:
    """The conversation, as chat completions take it."""
    return [{"role": "system", "content": instruction}, {"role": "user", "content": prompt}]


def instruction_for(task: str, own: Mapping[str, str]) -> str:
    """The row's instruction for this task, or the general one."""
    return own.get(task) or GENERAL[task]


def digest_of(*parts: str) -> str:
    """What a revision depends on, in short."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def prompt_in(answer: Any) -> str:
    """The prompt in what a model said.

    Raises:
        ValueError: there is none, or it is longer than a prompt may be.
    """
    text = THOUGHTS.sub("", answer).strip() if isinstance(answer, str) else ""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    if not text:
        raise ValueError("the enhancer's answer holds no text")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise ValueError(f"the enhancer's answer has {len(text)} characters")
    return text
