"""Many jobs from one manifest: expanded, checked, ordered, rendered once each, and accounted for.

The command line's `bulk` calls it, and whoever takes files of many requests can use its manifests and results.
"""
