"""Real servers for tests: each a context manager that starts its own on a free loopback port."""
