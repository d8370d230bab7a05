"""Writers killed with SIGKILL, as a power cut or an out-of-memory killer does: real processes, a real disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage import LocalStore
from storage.errors import NotFound
from tests.storage.test_local import files_below

KEY = "out/job-1/0.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


_PUT_FROM_PIPE = """
import sys
from pathlib import Path
from storage import LocalStore
LocalStore(sys.argv[1]).put(sys.argv[2], Path(sys.argv[3]))
"""


@pytest.mark.parametrize("before", [None, b"the old picture"])
def test_killed_in_the_middle_of_a_put_nothing_half_is_seen(
    store: LocalStore, root: Path, tmp_path: Path, before: bytes | None
) -> None:
    """The writer is killed with half of the bytes on the disk: readers see the old object, or none."""
    if before is not None:
        store.put(KEY, before)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", _PUT_FROM_PIPE, str(root), KEY, str(pipe)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as writer, pipe.open("wb") as half:
        # More than a pipe and the writer's buffer hold: when this returns, some of it is on the disk.
        half.write(b"x" * (4 << 20))
        half.flush()
        writer.kill()
        writer.wait()
    listed = [row.key for row in store.list()]
    if before is None:
        assert listed == []
        with pytest.raises(NotFound):
            store.get(KEY)
    else:
        assert listed == [KEY]
        assert store.get(KEY) == before
    assert any("~" in name and not name.endswith(".json") for name in files_below(root))
    assert store.sweep_abandoned() == 0, "a put of a moment ago may still be running"
    assert store.sweep_abandoned(older_than_seconds=-60) == 1
    assert len(files_below(root)) == (0 if before is None else 2)
    store.put(KEY, b"the new picture")
    assert store.get(KEY) == b"the new picture"


_PUT_FOREVER = """
import sys
from storage import LocalStore
store = LocalStore(sys.argv[1])
number = 0
while True:
    number += 1
    store.put("pointer", str(number).encode() * 1000, metadata={"number": str(number)})
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 20])
def test_killed_between_puts_what_was_acknowledged_stays(store: LocalStore, root: Path, acknowledged: int) -> None:
    command = [sys.executable, "-c", _PUT_FOREVER, str(root)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(acknowledged):
            writer.stdout.readline()
        writer.kill()
        writer.wait()
    number = int(store.head("pointer").metadata["number"])
    assert number >= acknowledged
    assert store.get("pointer") == str(number).encode() * 1000
