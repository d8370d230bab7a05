"""Webhooks by the Standard Webhooks specification: `sign`, `verify`, and the courier that delivers the outbox."""

from omni_jobs.webhooks.signing import new_secret, sign, verify

__all__ = ["new_secret", "sign", "verify"]
