"""Names of batch keys that every process gives alike, remembered because keys come again at every step."""

from __future__ import annotations

from collections.abc import Hashable

from workers.stepping.plan import PendingCall

#: More than any model has keys at a time.
LABELS_KEPT = 4096


class Labels:
    """The names given so far, by batch key."""

    def __init__(self) -> None:
        self._names: dict[Hashable, str] = {}

    def of(self, pending: PendingCall) -> str:
        """The name of the call's key; "" for a call that runs alone."""
        if pending.solo:
            return ""
        key = pending.key(pending.level)
        if key not in self._names:
            if len(self._names) >= LABELS_KEPT:
                self._names.clear()
            self._names[key] = pending.label(pending.level)
        return self._names[key]
