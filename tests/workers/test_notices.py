"""Commands that tell whether a machine will be taken away; what a notice does is in tests/e2e/test_resumed.py."""

from __future__ import annotations

import pytest

from omni_jobs.errors import Misconfigured
from workers.notices import heed_notices, is_leaving, words_of


@pytest.mark.parametrize("command", ["", "no-such-program-anywhere --ask", "test -e 'unclosed"])
def test_what_is_no_command_is_refused_by_name(command: str) -> None:
    with pytest.raises(Misconfigured, match="notice_command"):
        heed_notices(command)


def test_the_status_is_the_answer_and_silence_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.notices.ANSWER_SECONDS", 0.05)
    assert is_leaving(words_of("true"))
    assert not is_leaving(words_of("false"))
    assert not is_leaving(words_of("sleep 60"))
