"""Packages that stand in for others: put this folder on the path."""
