"""moto: the broadest S3, in memory; it checks no signatures. Starts in about a second."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.child import announce, end_with_parent, running
from tests.servers.s3_server import S3Server


@contextmanager
def moto() -> Iterator[S3Server]:
    """A moto server in a process of its own; its objects live as long as the block."""
    with running("tests.servers.moto") as child:
        yield S3Server(child.announced["endpoint"], "test", "test", child.process)


def main() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    end_with_parent()
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=True)
    announce({"endpoint": f"http://127.0.0.1:{server.server_port}"})
    server.serve_forever()


if __name__ == "__main__":
    main()
