"""The executors: in process, and a device with simulated cost. Imported by qualified name only."""
