"""Measurements and proofs that stand outside the product: each one command, JSON and an exit code."""
