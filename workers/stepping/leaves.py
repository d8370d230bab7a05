"""What each argument of a parked call is to a merge: rows of the batch, ragged text, a table, a plain value.

`describe` turns one call into leaves with roles; calls whose leaves have equal features may share a forward. The
rules are names and shapes, never model classes; whether they hold is not assumed but proved (see `proof`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

import torch

from workers.stepping.contents import content, digest, freeze
from workers.stepping.fiber import ComponentCall
from workers.stepping.interface import interface_of, kind_of
from workers.stepping.records import is_record

Path = tuple[str | int, ...]


class Role(StrEnum):
    """What becomes of a leaf when calls merge."""

    ROWS = "rows"  # concatenated along dimension 0, k rows for each row of the call
    COLUMNS = "columns"  # concatenated along dimension 1: layers come first, then the rows of the call
    TEXT = "text"  # rows, and dimension 1 is zero-padded to the longest
    MASK = "mask"  # rows of a text mask, padded with zeros; made when absent
    SCALAR = "scalar"  # a 0-d tensor or number per call, spread to one value per row
    SAMPLES = "samples"  # a list with one element per row; lists are joined
    TABLE = "table"  # a list of plain values per row; joined, and equal in all calls
    SHARED = "shared"  # equal in content in all calls; the first one's is used
    VALUE = "value"  # a plain value, equal in all calls
    OPAQUE = "opaque"  # an object nobody can merge

    # Enum's own is in Python, and asked for every leaf of every call.
    __hash__ = str.__hash__


class Leaf(NamedTuple):
    """One leaf: where it is, its role, and the feature that must be equal among calls that merge."""

    path: Path
    role: Role
    feature: Hashable
    value: Any
    rows_per_row: int = 1

    @property
    def is_by_content(self) -> bool:
        """Whether its feature holds what the tensor holds, and not only its kind."""
        feature = self.feature
        return self.role is Role.SHARED or (isinstance(feature, tuple) and feature[0] == EQUAL_ROWS)

    @property
    def plan(self) -> Hashable:
        """What of its feature belongs to the merge plan: no sizes, no contents."""
        if self.role in (Role.VALUE, Role.TABLE, Role.OPAQUE, Role.SAMPLES):
            return self.feature
        return self.rows_per_row if self.role is Role.ROWS else None


class Facts(tuple[Hashable, ...]):
    """Facts that many calls have in common, hashed once."""

    def __hash__(self) -> int:
        known = self.__dict__.get("hashed")
        if known is None:
            known = self.__dict__["hashed"] = super().__hash__()
        return int(known)


@dataclass(frozen=True, slots=True)
class Description:
    """One call's bound arguments and leaves. `primary` is the sample; `opaque` says what makes it unmergeable, if
    anything does. `plan` is the merge plan of the leaves, `features` and `digests` what must be
    equal in calls that merge: features that hang on shapes, and on contents."""

    bound: inspect.BoundArguments
    rows: int
    primary: Path
    leaves: tuple[Leaf, ...]
    text_length: int
    opaque: str | None
    plan: Facts
    features: Facts
    digests: tuple[Hashable, ...]

    @classmethod
    def of(
        cls,
        bound: inspect.BoundArguments,
        rows: int,
        primary: Path,
        leaves: tuple[Leaf, ...],
        opaque: str | None = None,
    ) -> Description:
        """The description with what follows from its leaves."""
        lengths = [leaf.value.shape[1] for leaf in leaves if leaf.role is Role.TEXT]
        plan = Facts((leaf.path, leaf.role, leaf.plan) for leaf in leaves)
        features = Facts((leaf.path, leaf.feature) for leaf in leaves if not leaf.is_by_content)
        digests = tuple((leaf.path, leaf.feature) for leaf in leaves if leaf.is_by_content)
        return cls(bound, rows, primary, leaves, max(lengths, default=0), opaque, plan, features, digests)

    def contents(self, paths: frozenset[Path]) -> Hashable:
        """What these leaves hold, for comparing calls."""
        return tuple(content(leaf.value) for leaf in self.leaves if leaf.path in paths)


#: Tables that models use for the whole batch, with or without a batch dimension: never merged unless equal.
SHARED_NAMES = re.compile(
    r"(^|_)(rotary_emb|rope|freqs|freqs_cis|img_ids|txt_ids|image_ids|text_ids|position_ids|pos_ids|ids_offset"
    r"|indices_grid|coords|pos_embed|grid|num_frames|height|width|fps)(_|$)"
)
TEXT_NAMES = re.compile(r"^(encoder_hidden_states|prompt_embeds|context|caption|text_|txt$|cond_embeds)")
SCALAR_NAMES = re.compile(r"^(timestep|timesteps|t|sigma|sigmas|r_timestep|time|guidance)(_|$)")
PRIMARY_NAMES = (
    "sample", "hidden_states", "x", "input_ids", "inputs_embeds", "z", "latents", "pixel_values", "input_features",
)  # fmt: skip
#: Types whose values compare by content and hold no tensor; asked for every argument of every call.
PLAIN_TYPES = frozenset({type(None), int, float, str, bool, bytes, torch.dtype, torch.device, torch.Size})
#: Marks the feature of rows that are joined only when they are equal.
EQUAL_ROWS = "equal rows"
#: Lists of plain values per row that really differ from row to row.
ROW_LISTS = re.compile(r"^(txt_seq_lens|seq_lens)")
#: Vectors that tell a model how long each row's text is, as a mask would.
LENGTH_NAMES = re.compile(r"_(lens|lengths)$")
#: Arguments that the method is known not to use.
UNUSED = {("AutoencoderKL", "decode"): ("generator",)}


class Traits(NamedTuple):
    """What a leaf's name says of it."""

    is_shared: bool
    is_text: bool
    is_scalar: bool
    is_row_list: bool


@cache
def traits_of(path: Path) -> Traits:
    """The traits of a path; asked for every leaf of every call, so remembered."""
    names = [part for part in path if isinstance(part, str)]
    name = names[-1] if names else ""
    return Traits(
        any(SHARED_NAMES.search(part) for part in names),
        bool(TEXT_NAMES.match(name)),
        bool(SCALAR_NAMES.match(name)),
        bool(ROW_LISTS.match(name)),
    )


def undescribed(reason: str) -> Description:
    """Stands for a call whose arguments cannot be understood: it runs alone, as the pipeline made it."""
    return Description.of(inspect.Signature().bind(), 0, (), (), reason)


def describe(call: ComponentCall, roles: Mapping[Path, Role] | None = None) -> Description:
    """Bind the call's arguments and give every leaf its role; `roles` overrides what the rules would say."""
    interface = interface_of(kind_of(call.module), call.method)
    bound, names = used(interface.bind(call), call), interface.signature.parameters
    rows, primary = _primary(bound.arguments)
    # Only where the sample itself is a list may other lists be lists of samples.
    listed = len(primary) == 1 and isinstance(bound.arguments.get(str(primary[0])), list)
    leaves: list[Leaf] = []
    for name, value in bound.arguments.items():
        leaves.extend(_leaves((name,), value, rows, primary, listed))
    leaves = [_override(leaf, roles) for leaf in leaves] if roles else leaves
    leaves = _with_masks(leaves, set(names), rows)
    opaque = next(
        (
            f"argument {leaf.path[0]} is a {type(leaf.value).__name__}"
            for leaf in leaves
            if leaf.role is Role.OPAQUE
        ),
        None,
    )
    if not rows:
        opaque = "it has no batch dimension"
    return Description.of(bound, rows, primary, tuple(leaves), opaque)


def used(bound: inspect.BoundArguments, call: ComponentCall) -> inspect.BoundArguments:
    """The call's arguments without those that the method is known not to use."""
    for name in UNUSED.get((type(call.module).__name__, call.method), ()):
        bound.arguments.pop(name, None)
    return bound


def _primary(arguments: Mapping[str, Any]) -> tuple[int, Path]:
    """The number of rows, and the leaf that tells it: the sample, by name, else the first tensor of the call."""
    flat = dict(arguments)
    for value in (arguments.get("kwargs"),):
        flat.update(value if isinstance(value, dict) else {})
    ordered = [name for name in PRIMARY_NAMES if name in flat] + list(flat)
    for name in ordered:
        value = flat[name]
        if isinstance(value, torch.Tensor) and value.ndim >= 1:
            return value.shape[0], (name,)
        if isinstance(value, list | tuple) and value and all(isinstance(item, torch.Tensor) for item in value):
            return (len(value), (name,)) if isinstance(value, list) else (value[0].shape[0], (name, 0))
        if isinstance(value, list) and value and all(isinstance(item, list) for item in value):
            return len(value), (name,)
    for item in arguments.get("args", ()):
        if isinstance(item, torch.Tensor) and item.ndim >= 1:
            return item.shape[0], ("args", 0)
    return 0, ()


def _leaves(path: Path, value: Any, rows: int, primary: Path, listed: bool) -> Iterator[Leaf]:
    if isinstance(value, torch.Tensor):
        yield _tensor_leaf(path, value, rows, primary)
    elif isinstance(value, list) and listed and _is_sample_list(path, value, rows, primary):
        yield Leaf(path, Role.SAMPLES, ("samples", _samples_feature(value)), value)
    elif isinstance(value, list) and value and len(value) == rows and _is_plain(value):
        feature = ("table",) if traits_of(path).is_row_list else ("table", freeze(value[:1]), _uniform(value))
        yield Leaf(path, Role.TABLE, feature, value)
    elif (branch := _branch(value)) is not None:
        label, children = branch
        yield Leaf(path, Role.VALUE, label, value)
        for key, item in children:
            yield from _leaves((*path, key), item, rows, primary, listed)
    else:
        yield _plain_leaf(path, value)


def _branch(value: Any) -> tuple[Hashable, Iterable[tuple[str | int, Any]]] | None:
    """A container's kind and children, or None for a leaf."""
    if isinstance(value, dict):
        return ("dict", type(value).__qualname__, tuple(value)), value.items()
    if type(value) in PLAIN_TYPES:
        return None
    if isinstance(value, (list, tuple)):
        return (type(value).__qualname__, len(value)), enumerate(value)
    if is_record(value):
        return ("record", type(value).__qualname__, tuple(vars(value))), vars(value).items()
    return None


def _plain_leaf(path: Path, value: Any) -> Leaf:
    if isinstance(value, (int, float)) and traits_of(path).is_scalar and not isinstance(value, bool):
        return Leaf(path, Role.SCALAR, ("scalar", type(value).__name__), value)
    if _is_plain(value):
        return Leaf(path, Role.VALUE, ("value", freeze(value)), value)
    return Leaf(path, Role.OPAQUE, ("opaque", id(value)), value)


def _tensor_leaf(path: Path, value: torch.Tensor, rows: int, primary: Path) -> Leaf:
    kind = (value.dtype, value.device)
    if value.ndim == 0:
        return Leaf(path, Role.SCALAR, ("scalar", kind), value)
    by_rows = rows > 0 and value.shape[0] % rows == 0
    times = value.shape[0] // rows if by_rows else 0
    rest = value.shape[1:]
    if path == primary:
        return Leaf(path, Role.ROWS, ("rows", kind, times, rest), value, times)
    traits = traits_of(path)
    if traits.is_shared and rows > 1 and times == 1 and value.ndim >= 3:
        # A table with a batch dimension: joined, and all the same only among equals, since some models use the
        # first row's for the whole batch.
        return Leaf(path, Role.ROWS, (EQUAL_ROWS, value.device, digest(value)), value)
    if traits.is_shared:
        return shared_leaf(path, value)
    if times == 1 and value.ndim == 3 and traits.is_text and value.is_floating_point():
        return Leaf(path, Role.TEXT, ("text", kind, rest[1:]), value)
    if times == 1 or (times > 1 and value.ndim >= 3 and value.is_floating_point()):
        return Leaf(path, Role.ROWS, ("rows", kind, times, rest), value, times)
    return shared_leaf(path, value)


def shared_leaf(path: Path, value: torch.Tensor) -> Leaf:
    """A tensor that must be equal in content; its digest is taken once for each tensor object."""
    return Leaf(path, Role.SHARED, ("shared", value.device, digest(value)), value)


def _override(leaf: Leaf, roles: Mapping[Path, Role]) -> Leaf:
    role = roles.get(leaf.path)
    if role is None or role is leaf.role:
        return leaf
    if role is Role.SHARED:
        return Leaf(leaf.path, role, ("shared", content(leaf.value)), leaf.value)
    rest = tuple(leaf.value.shape[1:])
    return Leaf(leaf.path, role, (f"{role}*", leaf.value.dtype, leaf.value.shape[0], rest), leaf.value)


def _with_masks(leaves: list[Leaf], names: set[str], rows: int) -> list[Leaf]:
    """Tie text leaves to their masks. Where a model takes neither a mask nor lengths, the length is a feature."""
    found: dict[Path, Leaf] = {}
    texts = [leaf for leaf in leaves if leaf.role is Role.TEXT]
    by_path = {leaf.path: leaf for leaf in leaves} if texts else {}
    tells_lengths = any(LENGTH_NAMES.search(str(path[-1])) and by_path[path].role is Role.ROWS for path in by_path)
    for leaf in texts:
        mask_path = next((path for path in _mask_paths(leaf.path) if path[0] in names or path in by_path), None)
        mask = by_path.get(mask_path) if mask_path else None
        if mask_path is None and tells_lengths:
            continue
        fits = mask is None or mask.value is None or _is_mask_of(mask.value, leaf.value)
        if mask_path is None or not fits:
            found[leaf.path] = leaf._replace(feature=(leaf.feature, leaf.value.shape[1]))
            continue
        given = None if mask is None else mask.value
        found[mask_path] = Leaf(mask_path, Role.MASK, ("mask",), given)
    result = [found.pop(leaf.path, leaf) for leaf in leaves] if found else leaves
    return result + [leaf for leaf in found.values() if leaf.role is Role.MASK]


def _mask_paths(path: Path) -> list[Path]:
    head, name = path[:-1], str(path[-1])
    candidates = [f"{name}_mask", name.replace("hidden_states", "attention_mask"), f"{name}_attention_mask"]
    if name == "encoder_hidden_states":
        candidates.append("encoder_attention_mask")
    return [(*head, candidate) for candidate in candidates if candidate != name]


def _is_mask_of(mask: Any, text: torch.Tensor) -> bool:
    return isinstance(mask, torch.Tensor) and mask.shape == text.shape[:2]


def _is_sample_list(path: Path, value: list[Any], rows: int, primary: Path) -> bool:
    if not value or len(value) != rows or len(path) != 1:
        return False
    nested = all(item is None or isinstance(item, torch.Tensor | list) for item in value)
    return nested and (path == primary or len(primary) == 1)


def _samples_feature(value: list[Any]) -> Hashable:
    first = value[0]
    if isinstance(first, torch.Tensor):
        return (first.dtype, first.ndim, first.device)
    return type(first).__name__


def _is_plain(value: Any) -> bool:
    if type(value) in PLAIN_TYPES:
        return True
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, (int, float, str, bytes))


def _uniform(value: list[Any]) -> bool:
    return all(item == value[0] for item in value)
