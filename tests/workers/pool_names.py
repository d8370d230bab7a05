"""Names that the application under test and its test share."""

QUEUE, COUNTER = "pool.test", "pool:count"
