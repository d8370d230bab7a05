"""Content credentials (C2PA) of stored outputs, where an operator has a certificate for them.

The worker service and the bulk renderer open one signature each and put every encoded file through it.
"""

from workers.credentials.signature import Sign, open_signature

__all__ = ["Sign", "open_signature"]
