"""Everything next to a device. Importing this package is cheap: torch comes with the names that need it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.omni import Omni
    from workers.registry import register_model

__all__ = ["Omni", "register_model"]


def __getattr__(name: str) -> Any:
    if name == "Omni":
        from workers.omni import Omni

        return Omni
    if name == "register_model":
        from workers.registry import register_model

        return register_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
