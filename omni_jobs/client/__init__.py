"""What producers import: `Client("redis://...")` and `AsyncClient(...)`. No torch; Redis when it is opened."""

from omni_jobs.client.asynchronous import AsyncClient
from omni_jobs.client.blocking import Client
from omni_jobs.client.transport import ClientOptions, Page

__all__ = ["AsyncClient", "Client", "ClientOptions", "Page"]
