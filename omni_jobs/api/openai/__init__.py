"""The face that clients of the OpenAI API know: images, videos, files and batches over the same jobs."""

from __future__ import annotations
