"""Prompts rewritten through an OpenAI-compatible endpoint, also one that is slow, down or talks nonsense."""

from __future__ import annotations

from typing import Any

import pytest

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import Enhancement, JobRequest
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore
from tests.enhancing.chat_server import ChatServer
from workers.enhancing.enhance import REST_SECONDS, Enhancing, open_enhancing
from workers.enhancing.instructions import GENERAL
from workers.known import known_row

ASKED = JobRequest(model="sim", prompt="a fox", enhance_prompt=True)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def enhancing(settings: Settings, store: JobStore, url: str, **more: Any) -> Enhancing:
    chosen = {"enhancer_url": url, "enhancer_model": "writer", "enhancer_timeout_seconds": 5.0, **more}
    opened = open_enhancing(settings.model_copy(update=chosen), store)
    assert opened is not None
    return opened


def test_a_prompt_is_rewritten_once(settings: Settings, store: JobStore, chat: ChatServer) -> None:
    asking = enhancing(settings, store, chat.url)
    for _ in range(3):
        assert asking.enhance("default", ASKED, {}) == Enhancement(revised_prompt="a fox, golden light")
    assert len(chat.questions) == 1
    question = chat.questions[0]
    assert question["model"] == "writer"
    assert question["messages"] == [
        {"role": "system", "content": GENERAL["generate"]},
        {"role": "user", "content": "a fox"},
    ]
    asking.enhance("somebody-else", ASKED, {})
    assert len(chat.questions) == 2, "what one account asked is not shown to another"


def test_the_model_says_how_its_prompts_are_written(settings: Settings, store: JobStore, chat: ChatServer) -> None:
    own = known_row("qwen-image")
    assert own is not None
    asking = enhancing(settings, store, chat.url)
    asking.enhance("default", ASKED, own["enhance_instructions"])
    edit = JobRequest(model="sim", prompt="a fox", task="edit", images=("upl_1",), enhance_prompt=True)
    asking.enhance("default", edit, own["enhance_instructions"])
    told = [question["messages"][0]["content"] for question in chat.questions]
    assert told == [own["enhance_instructions"]["generate"], GENERAL["edit"]]


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    settings: Settings, store: JobStore, chat: ChatServer
) -> None:
    from pydantic import SecretStr

    asking = enhancing(settings, store, chat.url, enhancer_key=SecretStr("sk-test"))
    asking.enhance("default", ASKED, {})
    assert chat.headers[0]["authorization"] == "Bearer sk-test"
    assert "sk-test" not in repr(asking)


def test_a_slow_enhancer_is_not_waited_for(settings: Settings, store: JobStore, chat: ChatServer) -> None:
    chat.gate.clear()
    asking = enhancing(settings, store, chat.url, enhancer_timeout_seconds=0.2)
    found = asking.enhance("default", ASKED, {})
    assert found == Enhancement(enhancement_skipped="no answer within 0.2 s")


def test_an_enhancer_that_is_down_is_left_alone_for_a_while(
    settings: Settings, store: JobStore, chat: ChatServer
) -> None:
    asking = enhancing(settings, store, chat.url)
    asking.clock = clock = Clock()
    chat.answer = lambda _: 503
    assert str(asking.enhance("default", ASKED, {}).enhancement_skipped).startswith("HTTP 503")
    assert "a moment ago" in str(asking.enhance("default", ASKED, {}).enhancement_skipped)
    assert len(chat.questions) == 1
    clock.now = REST_SECONDS + 1
    chat.answer = ChatServer.answer
    assert asking.enhance("default", ASKED, {}).revised_prompt == "a fox, golden light"


def said(content: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}}]}


@pytest.mark.parametrize(
    ("content", "prompt"),
    [("  a fox \n", "a fox"), ('"a fox"', "a fox"), ("<think>hm, a fox?</think>\na red fox", "a red fox")],
)
def test_only_the_prompt_is_taken(
    settings: Settings, store: JobStore, chat: ChatServer, content: str, prompt: str
) -> None:
    chat.answer = lambda _: said(content)
    assert enhancing(settings, store, chat.url).enhance("default", ASKED, {}).revised_prompt == prompt


@pytest.mark.parametrize(
    "answer",
    [b"<html>", {"choices": []}, said(""), said(None), said("x" * 40_000), b" " * 2_000_000, ["no object"]],
    ids=["html", "empty", "no text", "null", "too long", "huge", "list"],
)
def test_an_answer_that_is_no_prompt_leaves_the_original(
    settings: Settings, store: JobStore, chat: ChatServer, answer: Any
) -> None:
    chat.answer = lambda _: answer
    asking = enhancing(settings, store, chat.url)
    assert asking.enhance("default", ASKED, {}).enhancement_skipped
    chat.answer = ChatServer.answer
    assert asking.enhance("default", ASKED, {}).revised_prompt, "the endpoint is well: it is asked again at once"


def test_nobody_at_that_address(settings: Settings, store: JobStore) -> None:
    found = enhancing(settings, store, "http://127.0.0.1:9/v1").enhance("default", ASKED, {})
    assert found.revised_prompt is None
    assert "ConnectError" in str(found.enhancement_skipped)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"enhancer_url": "localhost:8000"}, "OMNI_ENHANCER_URL"),
        ({"enhancer_url": "http://localhost:8000/v1", "enhancer_model": None}, "OMNI_ENHANCER_MODEL"),
    ],
)
def test_settings_that_cannot_be_meant(
    settings: Settings, store: JobStore, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(Misconfigured, match=named):
        open_enhancing(settings.model_copy(update=given), store)
