"""A job as other APIs show it. Pure; used by the API's faces for answers and by the courier for webhooks."""

from __future__ import annotations
