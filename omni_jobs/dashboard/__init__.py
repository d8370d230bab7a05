"""The dashboard: static files that a browser runs against the HTTP API. No build step, nothing from elsewhere."""
