"""A vLLM engine whose text many threads may ask for; vLLM batches what comes together. Used by `vllm_worker`."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Coroutine
from typing import Any

from vllm import AsyncEngineArgs, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

from workers.enhancing.instructions import MAX_TOKENS, messages_for


class VllmText:
    """One AsyncLLM on an event loop in a thread of its own. `options` are vLLM's engine arguments."""

    def __init__(self, model: str, max_tokens: int = MAX_TOKENS, **options: Any) -> None:
        self._sampling = SamplingParams(temperature=0, max_tokens=max_tokens)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
        self._thread.start()
        self._engine: Any = self._wait(self._start({"model": model, **options}))

    def answer(self, prompt: str, instruction: str) -> str:
        """What the model says, thoughts included."""
        said: str = self._wait(self._say(prompt, instruction))
        return said

    def close(self) -> None:
        """End the engine's process and the thread."""
        self._loop.call_soon_threadsafe(self._engine.shutdown)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @staticmethod
    async def _start(options: dict[str, Any]) -> Any:
        return AsyncLLM.from_engine_args(AsyncEngineArgs(**options))

    async def _say(self, prompt: str, instruction: str) -> str:
        tokens = self._engine.get_tokenizer().apply_chat_template(
            messages_for(prompt, instruction), add_generation_prompt=True, tokenize=True, return_dict=False
        )
        said = ""
        async for output in self._engine.generate(
            {"prompt_token_ids": list(tokens)}, self._sampling, f"rewrite_{uuid.uuid4().hex}"
        ):
            said = output.outputs[0].text
        return said
