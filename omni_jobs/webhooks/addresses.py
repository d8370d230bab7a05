"""Where a server of ours may be sent by a stranger's URL: to public addresses, and to what the operator allows.

The resolved address is judged, never the name or the digits in the URL, and it is the judged address that is
connected to, so that a name that changes its mind in between changes nothing. Used at each try of a webhook; fit
for any other URL that comes from outside.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from omni_jobs.errors import Forbidden, Misconfigured

Address = IPv4Address | IPv6Address
#: Resolves (host, port) as `socket.getaddrinfo` does.
Resolve = Callable[..., Sequence[tuple[Any, ...]]]

PORTS = {"http": 80, "https": 443}
#: Ports that may be reached at public addresses.
PUBLIC_PORTS = frozenset({80, 443, 8443})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_TRANSLATED_V4 = ipaddress.IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE_V4 = ipaddress.IPv6Network("::/96")
_PROTOCOLS_V4 = ipaddress.IPv4Network("192.0.0.0/24")
_RELAY_6TO4 = ipaddress.IPv4Network("192.88.99.0/24")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was judged, and the one address to connect to for it."""

    url: SplitResult
    host: str
    port: int
    address: Address

    @property
    def place(self) -> str:
        """Host and port, by which limits are kept."""
        return f"{self.host}:{self.port}"


def parse_allowed(text: str) -> frozenset[tuple[str, int]]:
    """The hosts and ports of the setting `webhook_allow`. Raises Misconfigured."""
    allowed = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, colon, port = entry.rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise Misconfigured(
                f"webhook_allow: {entry!r} is no host:port.",
                field="webhook_allow",
                value=entry,
                remedy="Write 127.0.0.1:9000, or [::1]:9000.",
            )
        allowed.add((host.strip("[]").lower(), int(port)))
    return frozenset(allowed)


def judge(
    url: str, allowed: frozenset[tuple[str, int]] = frozenset(), *, resolve: Resolve = socket.getaddrinfo
) -> Target:
    """Resolves the host and vets every address it has.

    Raises:
        Forbidden: not http(s), credentials in the URL, or a port or an address that is not public.
        OSError: the name does not resolve now.
    """
    parts, host, port = split(url)
    answers = resolve(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    if not addresses:
        raise Forbidden(f"{host} has no address.", field="url")
    if (host, port) not in allowed:
        if port not in PUBLIC_PORTS:
            raise Forbidden(f"Port {port} may not be reached.", field="url", remedy="Use 443, 80 or 8443.")
        for address in addresses:
            if not is_public(address):
                raise Forbidden(
                    f"{host} is {address}, which is no public address.",
                    field="url",
                    remedy="The operator can allow it with OMNI_WEBHOOK_ALLOW.",
                )
    return Target(parts, host, port, addresses[0])


def split(url: str) -> tuple[SplitResult, str, int]:
    """A URL's parts, host in lower case and port. Raises Forbidden if it is not one we send to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Forbidden(f"The URL is malformed: {error}.", field="url") from error
    if parts.scheme not in PORTS or not host:
        raise Forbidden("The URL is not http:// or https:// with a host.", field="url")
    if parts.username is not None or parts.password is not None:
        raise Forbidden(
            "The URL holds a user or password.", field="url", remedy="Leave them out: our messages are signed."
        )
    return parts, host.lower(), port or PORTS[parts.scheme]


def is_public(address: Address) -> bool:
    """Whether an address, and every IPv4 address hidden in it, is a public unicast one.

    `ipaddress.is_global` alone lets through NAT64 and 6to4 forms of private addresses, and multicast.
    """
    if isinstance(address, IPv6Address):
        hidden = embedded(address)
        if hidden is None or not all(is_public(one) for one in hidden):
            return False
        if hidden:
            return True
    elif address in _PROTOCOLS_V4 or address in _RELAY_6TO4:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )


def embedded(address: IPv6Address) -> tuple[IPv4Address, ...] | None:
    """The IPv4 addresses that an IPv6 address leads to; none for a plain one, None if it cannot be told."""
    last = IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64_LOCAL:
        return None
    if address in _NAT64 or address in _TRANSLATED_V4 or address in _COMPATIBLE_V4:
        return (last,)
    return ()
