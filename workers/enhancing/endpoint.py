"""An enhancer behind any OpenAI-compatible HTTP endpoint: one chat completion a prompt."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx

from workers.enhancing.instructions import MAX_TOKENS, messages_for, prompt_in

#: Longest answer in bytes that is read.
MAX_BYTES = 2**20
#: Characters of an error's body that are told.
SHOWN_CHARACTERS = 200


class EndpointEnhancer:
    """Asks `url`/chat/completions. One for a worker; any slot may call it."""

    def __init__(self, url: str, model: str, key: str | None, timeout_seconds: float) -> None:
        self.name = f"{url} {model}"
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._client = httpx.Client(
            timeout=timeout_seconds, headers={"Authorization": f"Bearer {key}"} if key else {}
        )

    def rewrite(self, prompt: str, instruction: str) -> str:
        """The revised prompt.

        Raises:
            OSError, ValueError: there is none; the message says why.
        """
        body = {
            "model": self._model,
            "messages": messages_for(prompt, instruction),
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
        }
        try:
            answer = json.loads(self._read(body))
            return prompt_in(answer["choices"][0]["message"]["content"])
        except httpx.TimeoutException as error:
            raise TimeoutError(f"no answer within {self._timeout_seconds:g} s") from error
        except httpx.HTTPError as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError("the answer is no chat completion") from error

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _read(self, body: dict[str, Any]) -> bytes:
        """The answer's body; httpx bounds each wait, this bounds their sum."""
        ends, content = time.monotonic() + self._timeout_seconds, b""
        with self._client.stream("POST", self._url, json=body) as response:
            if response.is_error:
                said = next(response.iter_text(SHOWN_CHARACTERS), "")
                raise ConnectionError(f"HTTP {response.status_code}: {said}")
            for chunk in response.iter_bytes():
                content += chunk
                if time.monotonic() > ends:
                    raise TimeoutError(f"no whole answer within {self._timeout_seconds:g} s")
                if len(content) > MAX_BYTES:
                    raise ValueError(f"the answer is longer than {MAX_BYTES} bytes")
        return content
