"""Stepping any diffusers pipeline: suspend its Python at each component call, merge the calls, prove the merge.

Only `workers.runner` builds on this package.
"""
