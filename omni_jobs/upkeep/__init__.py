"""What operators run now and then: `fsck` finds damage and mends it, `collect` removes what nothing names.

Both may run beside a working service. Called by the command line.
"""
