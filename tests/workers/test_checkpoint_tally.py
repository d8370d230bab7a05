"""What checkpoints came to, in numbers and a few words."""

from __future__ import annotations

import pytest

from workers.checkpoint_tally import CheckpointTally, word_of


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("torch differs: 2.1 then, 2.2 now", "differs"),
        ("its checksum is wrong", "altered"),
        ("its digest is not the recorded one", "altered"),
        ("it cannot be read: gone", "unreadable"),
        ("the engine process died 2 times after it was taken up", "suspected"),
        ("it spans several devices", "unsupported"),
        ("the run did not come to where it was saved: it has ended", "diverged"),
    ],
)
def test_every_refusal_has_a_word(reason: str, word: str) -> None:
    assert word_of(reason) == word


def test_counts() -> None:
    tally = CheckpointTally()
    for size in (100, 50):
        tally.taken(0.25)
        tally.stored(size)
    tally.dropped()
    tally.resumed(None)
    tally.resumed("its checksum is wrong")
    counts = {"written": 2, "bytes": 150, "dropped": 1, "resumed": 1}
    assert tally.to_json() == {**counts, "seconds": 0.5, "refused": {"altered": 1}}
