"""Other APIs' own clients against a real server, store and worker."""
