"""What an expression around a parked call holds: operands that Python evaluated before it and will use after it.

They live on the frame's evaluation stack, where nobody can write. A name there is right if its object is restored
in place; a computed value is right if nothing that it was computed from has changed.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

#: Expressions whose value depends on the names in them and on nothing else.
PURE = (
    ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.UnaryOp, ast.BinOp, ast.Tuple,
    ast.operator, ast.unaryop, ast.expr_context,
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """One operand. `names` are the variables it is made of, None if nobody can tell; `is_object` says that it is
    a variable, or a part of one, and no value computed from it."""

    text: str
    names: frozenset[str] | None
    is_object: bool


@lru_cache(maxsize=512)
def held_around(code: CodeType, offset: int) -> tuple[Held, ...]:
    """What is held around the call that the instruction at `offset` makes; nothing if there is no source."""
    _line, end_line, _column, end_column = list(code.co_positions())[offset // 2]
    parents = _parents(code.co_filename)
    ends_here = (
        node
        for node in parents
        if isinstance(node, ast.Call) and (node.end_lineno, node.end_col_offset) == (end_line, end_column)
    )
    node: ast.AST | None = next(ends_here, None)
    found: list[Held] = []
    while isinstance(node, ast.expr | ast.keyword) and not isinstance(node, ast.Lambda):
        parent = parents[node]
        found.extend(_held(operand) for operand in _before(parent, node))
        node = parent
    if isinstance(node, ast.AugAssign):
        found.append(_held(node.target))
    return tuple(found)


@lru_cache(maxsize=64)
def _parents(filename: str) -> dict[ast.AST, ast.AST]:
    """Every node of a source file with its parent."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:
        return {}
    return {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}


def _before(parent: ast.AST, node: ast.AST) -> Iterator[ast.expr]:
    """Operands of `parent` that are evaluated before `node` and wait on the stack."""
    match parent:
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield parent
        case ast.BinOp(left=left, right=right) if node is right:
            yield left
        case ast.Compare(left=left):
            yield left
        case ast.Subscript(value=value, slice=place) if node is place:
            yield value
        case ast.Call(func=function, args=args, keywords=keywords):
            yield from _until([function, *args, *keywords], node)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            yield from _until(elements, node)
        case ast.Dict(keys=keys, values=values):
            pairs = [one for pair in zip(keys, values, strict=True) for one in pair if one is not None]
            yield from _until(pairs, node)


def _until(ordered: Sequence[ast.expr | ast.keyword], node: ast.AST) -> Iterator[ast.expr]:
    for one in ordered:
        if one is node:
            return
        yield one.value if isinstance(one, ast.keyword) else one


def _held(operand: ast.expr) -> Held:
    parts = list(ast.walk(operand))
    names = frozenset(node.id for node in parts if isinstance(node, ast.Name))
    is_pure = all(isinstance(node, PURE) for node in parts)
    is_object = all(isinstance(node, ast.Name | ast.Attribute | ast.expr_context) for node in parts)
    return Held(ast.unparse(operand), names if is_pure else None, is_object)
