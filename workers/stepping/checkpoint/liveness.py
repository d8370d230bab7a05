"""Which local variables a parked function will still read: the others need not be saved.

Control nets leave their residuals, guidance its halves, in variables that the next step overwrites; a backward
data flow over the function's bytecode (Aho, Lam, Sethi, Ullman, "Compilers", 9.2.5) finds them.
"""

from __future__ import annotations

import dis
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

#: What an instruction does to the variables it names, by opcode: r reads, w writes, one letter a variable.
EFFECTS = {
    "LOAD_FAST": "r",
    "LOAD_FAST_CHECK": "r",
    "LOAD_FAST_BORROW": "r",
    "LOAD_FAST_AND_CLEAR": "r",
    "DELETE_FAST": "r",
    "STORE_FAST": "w",
    "STORE_FAST_MAYBE_NULL": "w",
    "LOAD_FAST_LOAD_FAST": "rr",
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": "rr",
    "STORE_FAST_LOAD_FAST": "wr",
    "STORE_FAST_STORE_FAST": "ww",
}
UNCONDITIONAL = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_ABSOLUTE")
ENDS = ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE")


@dataclass(frozen=True)
class Liveness:
    """The live variables before each instruction of a function, as bits by the order of `names`."""

    offsets: tuple[int, ...]
    live: tuple[int, ...]
    names: dict[str, int]

    def dead_after(self, offset: int) -> frozenset[str]:
        """Variables that are overwritten, or never asked for, after the instruction at `offset`."""
        place = bisect_right(self.offsets, offset)
        live = self.live[place] if place < len(self.live) else 0
        return frozenset(name for name, bit in self.names.items() if not live & bit)


@lru_cache(maxsize=512)
def liveness_of(code: CodeType) -> Liveness | None:
    """The liveness of a function's plain variables; None if it has an instruction that is not known."""
    instructions = list(dis.get_instructions(code))
    names = {name: 1 << place for place, name in enumerate(code.co_varnames) if name not in code.co_cellvars}
    moves = []
    for instruction in instructions:
        if "FAST" in instruction.opname and instruction.opname not in EFFECTS:
            return None
        moves.append(_gains_and_kills(instruction, names))
    following = _following(code, instructions)
    live = [0] * (len(instructions) + 1)
    changed = True
    while changed:
        changed = False
        for place in range(len(instructions) - 1, -1, -1):
            after = 0
            for successor in following[place]:
                after |= live[successor]
            gained, killed = moves[place]
            before = gained | (after & ~killed)
            if before != live[place]:
                live[place], changed = before, True
    return Liveness(tuple(one.offset for one in instructions), tuple(live), names)


def _gains_and_kills(instruction: dis.Instruction, names: dict[str, int]) -> tuple[int, int]:
    effects = EFFECTS.get(instruction.opname, "")
    named = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    gained = killed = 0
    for effect, name in zip(effects, named, strict=False):
        bit = names.get(name, 0)
        if effect == "r":
            gained |= bit & ~killed
        else:
            killed |= bit
    return gained, killed


def _following(code: CodeType, instructions: list[dis.Instruction]) -> list[list[int]]:
    places = {instruction.offset: place for place, instruction in enumerate(instructions)}
    jumps = {*dis.hasjrel, *dis.hasjabs}
    following: list[list[int]] = []
    for place, instruction in enumerate(instructions):
        found = [places[instruction.argval]] if instruction.opcode in jumps else []
        if instruction.opname not in (*UNCONDITIONAL, *ENDS):
            found.append(place + 1)
        following.append(found)
    for start, end, target in _handlers(code):
        for place, instruction in enumerate(instructions):
            if start <= instruction.offset < end:
                following[place].append(places[target])
    return following


def _handlers(code: CodeType) -> Iterator[tuple[int, int, int]]:
    """Start, end and target of each range with an exception handler (CPython, exception_handling_notes.txt)."""
    numbers = iter(code.co_exceptiontable)

    def read() -> int:
        byte = next(numbers)
        value = byte & 63
        while byte & 64:
            byte = next(numbers)
            value = (value << 6) | (byte & 63)
        return value

    while True:
        try:
            start, length, target = read() * 2, read() * 2, read() * 2
            read()
        except StopIteration:
            return
        yield start, start + length, target
