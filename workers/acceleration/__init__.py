"""Acceleration as configuration: what diffusers and torch do, asked for in a model's row, never a rewrite.

`options` checks values without torch when a row is read. `apply` puts them to work when the model loads, and
refuses there what the model or the machine cannot do. `warmup` runs the admitted shapes before the first job.
"""
