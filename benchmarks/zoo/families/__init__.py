"""The cases, one module per family of pipelines, each a table named CASES. No torch at import."""
