"""omni-jobs: a durable worker pool for generative media. This package is what producers import: no torch here."""

__version__ = "0.1.0"
