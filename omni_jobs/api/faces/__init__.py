"""What the doors that other APIs' clients know have in common: fields, models, pictures, failures, repeated calls.

Each face (`openai`, `replicate`, `fal`) translates its bodies to the native job and back; nothing else differs.
"""

from __future__ import annotations
