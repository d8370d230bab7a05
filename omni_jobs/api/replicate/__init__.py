"""The face that clients of Replicate and Cog know: predictions over the same jobs."""

from __future__ import annotations
