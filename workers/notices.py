"""Notices that this machine will be taken away, as clouds give them for spot instances.

A command of the operator's tells; the worker's entry point has it asked. A notice is the same as SIGTERM: a drain.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Sequence

import structlog

from omni_jobs.errors import Misconfigured

log = structlog.get_logger(__name__)

#: Pause in seconds between two questions, and the longest time for an answer.
POLL_SECONDS, ANSWER_SECONDS = 2.0, 5.0


def heed_notices(command: str) -> None:
    """Ask now and every few seconds. Does not return while a notice stands: what starts now would have to end.

    Raises:
        Misconfigured: it is no command line, or there is no such command.
    """
    words = words_of(command)
    if is_leaving(words):
        log.warning("this machine will be taken away; the worker starts when that is called off")
        while is_leaving(words):
            time.sleep(POLL_SECONDS)
    threading.Thread(target=_drain_on_notice, args=(words,), name="notices", daemon=True).start()


def is_leaving(words: Sequence[str]) -> bool:
    """Whether the command says so by its status 0; one that does not answer in time says nothing.

    Raises:
        Misconfigured: it cannot be run.
    """
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        log.warning("notice command does not answer", command=words[0], seconds=ANSWER_SECONDS)
        return False
    except OSError as error:
        raise Misconfigured(
            f"`notice_command`: {words[0]} cannot be run: {error.strerror}.",
            field="notice_command",
            value=words[0],
            remedy="Name a program of this machine; its status 0 means that the machine will be taken away.",
        ) from error
    return done.returncode == 0


def words_of(command: str) -> list[str]:
    """The command line as a shell would split it. Raises Misconfigured."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Misconfigured(f"`notice_command`: {error}.", field="notice_command", value=command) from error
    if not words:
        raise Misconfigured("`notice_command` is empty.", field="notice_command", remedy="Leave it out.")
    return words


def _drain_on_notice(words: Sequence[str]) -> None:
    while True:
        try:
            if is_leaving(words):
                break
        except Misconfigured as error:  # it could be run once
            log.warning("notice command fails", error=str(error))
        time.sleep(POLL_SECONDS)
    log.warning("this machine will be taken away; draining")
    os.kill(os.getpid(), signal.SIGTERM)
