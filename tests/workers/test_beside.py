"""What is done beside the jobs is done by few, whatever goes wrong, and waited for at the end."""

from __future__ import annotations

import threading

from workers.beside import Beside

WAIT_SECONDS = 30.0


def test_never_more_threads_than_were_asked_for() -> None:
    beside, threads, both = Beside("test", 2), set[int](), threading.Barrier(2)

    def act() -> None:
        threads.add(threading.get_ident())
        both.wait(WAIT_SECONDS)

    beside.start()
    for _ in range(6):
        beside.do(act)
    beside.close(WAIT_SECONDS)
    assert len(threads) == 2


def test_one_that_goes_wrong_stops_nobody_and_the_end_waits_for_all() -> None:
    beside, done = Beside("test", 1), list[str]()
    beside.do(lambda: done.append("first"))
    beside.do(wrong)
    beside.do(lambda: done.append("last"))
    beside.start()
    beside.close(WAIT_SECONDS)
    assert done == ["first", "last"]


def wrong() -> None:
    raise ValueError("as asked")


def test_the_end_does_not_wait_for_ever() -> None:
    beside, release = Beside("test", 1), threading.Event()

    def stuck() -> None:
        release.wait(WAIT_SECONDS)

    beside.do(stuck)
    beside.start()
    beside.close(0.01)
    release.set()
    beside.close(WAIT_SECONDS)
