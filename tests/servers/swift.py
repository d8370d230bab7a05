"""OpenStack Swift's S3 face: real signatures, real expiry, digests checked, objects on disk.

Account, container, object and proxy server run in one process (one import, 100 MB instead of four times 60)
on ports that are bound before the rings that name them are built, so that no port can be taken in between.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.child import announce, end_with_parent, running
from tests.servers.s3_server import S3Server

_SECRET = "testing"
_PIPELINE = (
    "catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo "
    "versioned_writes symlink proxy-server"
)
_FILTER_OPTIONS = {
    "s3api": "s3_acl = false\ncors_preflight_allow_origin = *\nlocation = us-east-1\nallow_no_owner = true",
    "tempauth": f"user_test_tester = {_SECRET} .admin",
    "versioned_writes": "allow_versioned_writes = true\nallow_object_versioning = true",
}
_FILTER_EGGS = {"cache": "memcache"}


@contextmanager
def swift(folder: Path) -> Iterator[S3Server]:
    """A Swift cluster of one disk in `folder`; started again on the same folder it has the same objects."""
    with running("tests.servers.swift", str(folder)) as child:
        yield S3Server(child.announced["endpoint"], "test:tester", _SECRET, child.process)


def main(folder: Path) -> None:
    # First, while threads are real ones: eventlet's would stop the whole process in its first read.
    end_with_parent()
    import eventlet
    from swift.common import utils

    utils.eventlet_monkey_patch()
    settings = folder / "etc"
    (folder / "disks" / "d1").mkdir(parents=True, exist_ok=True)
    settings.mkdir(exist_ok=True)
    (settings / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = one\ndefault = yes\n"
    )
    utils.set_swift_dir(str(settings))
    sockets = {kind: eventlet.listen(("127.0.0.1", 0)) for kind in ("account", "container", "object", "proxy")}
    ports = {kind: socket.getsockname()[1] for kind, socket in sockets.items()}
    for kind in ("account", "container", "object"):
        _write_ring(settings / f"{kind}.ring.gz", ports[kind])
        (settings / f"{kind}.conf").write_text(_storage_settings(folder, kind))
    (settings / "proxy.conf").write_text(_proxy_settings(folder))
    servers = [
        eventlet.spawn(_serve, _application(settings / f"{kind}.conf"), socket) for kind, socket in sockets.items()
    ]
    announce({"endpoint": f"http://127.0.0.1:{ports['proxy']}"})
    for server in servers:
        server.wait()


def _application(file: Path) -> Any:
    from swift.common.wsgi import loadapp

    return loadapp(str(file), global_conf={"log_name": file.stem}, allow_modify_pipeline=False)


def _serve(application: Any, socket: Any) -> None:
    """As `swift.common.wsgi.run_server`, which cannot serve here: it replaces the loop that all four share."""
    from eventlet import wsgi
    from swift.common.http_protocol import SwiftHttpProtocol
    from swift.common.utils import NullLogger

    wsgi.server(socket, application, NullLogger(), protocol=SwiftHttpProtocol, capitalize_response_headers=False)


def _write_ring(file: Path, port: int) -> None:
    from swift.common.ring import RingBuilder

    builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
    device = {"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1.0}
    builder.add_dev({**device, "replication_ip": "127.0.0.1", "replication_port": port, "meta": ""})
    builder.rebalance(seed=1)
    builder.get_ring().save(str(file))


def _common(folder: Path) -> str:
    from getpass import getuser

    return (
        f"swift_dir = {folder / 'etc'}\nuser = {getuser()}\nbind_ip = 127.0.0.1\nworkers = 0\n"
        "log_level = ERROR\nlog_address = /nonexistent\n"
    )


def _storage_settings(folder: Path, kind: str) -> str:
    return (
        f"[DEFAULT]\n{_common(folder)}devices = {folder / 'disks'}\nmount_check = false\n"
        f"[pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n"
    )


def _proxy_settings(folder: Path) -> str:
    filters = "".join(
        f"[filter:{name}]\nuse = egg:swift#{_FILTER_EGGS.get(name, name)}\n{_FILTER_OPTIONS.get(name, '')}\n"
        for name in _PIPELINE.split()[:-1]
    )
    return (
        f"[DEFAULT]\n{_common(folder)}[pipeline:main]\npipeline = {_PIPELINE}\n{filters}"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\nallow_account_management = true\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
