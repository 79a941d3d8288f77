"""What stands before the API: proxies that may say whom they speak for, and the names that it is reached by."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from starlette.types import Scope

from attune.web.middleware.problems import ProblemError

OPEN = frozenset({"/healthz", "/readyz"})
"""The paths of the API that need no token, and answer to any name."""
_EVERYWHERE = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, kw_only=True)
class Front:
    """Which *proxies* are believed, and by which *hosts* besides those that follow from *host* it is reached."""

    host: str = "127.0.0.1"
    public_url: str | None = None
    hosts: frozenset[str] = frozenset()
    proxies: Sequence[IPv4Network | IPv6Network] = ()

    def is_proxy(self, address: str) -> bool:
        """Whether *address* is one of a trusted proxy."""
        known = _address(address)
        return known is not None and any(known in network for network in self.proxies)

    def settle(self, scope: Scope) -> None:
        """Set client and scheme of a request as its caller has them. Raises `ProblemError` 421 for a foreign Host."""
        if (self.public_url or "").startswith("https://"):
            scope["scheme"] = "https"
        client = scope["client"][0] if scope.get("client") else ""
        if self.is_proxy(client):
            scheme = _values(scope, b"x-forwarded-proto")[-1:]
            if scheme in (["http"], ["https"]):
                scope["scheme"] = scheme[0]
            forwarded = _values(scope, b"x-forwarded-for")
            while self.is_proxy(client) and forwarded and _address(forwarded[-1]):
                client = forwarded.pop()
            scope["client"] = client, 0
        if scope["path"] not in OPEN and not all(self._is_named(host, scope) for host in _values(scope, b"host")):
            raise ProblemError(421, "Host: expected a name of this server (api.allowed_hosts), got another")

    def _is_named(self, host: str, scope: Scope) -> bool:
        """Whether *host*, perhaps with a port, names this server: where it listens everywhere, any address does."""
        name = re.sub(r":[0-9]*\Z", "", host).strip("[]").lower()
        local = scope["server"][0] if scope.get("server") else self.host
        if name in {"localhost", "127.0.0.1", "::1", self.host, local, urlsplit(self.public_url or "").hostname}:
            return True
        everywhere = self.host in _EVERYWHERE and (_address(name) is not None or name == socket.gethostname().lower())
        return everywhere or name in self.hosts


def _values(scope: Scope, header: bytes) -> list[str]:
    """The values of *header*, each of which may hold several between commas."""
    whole = b",".join(value for name, value in scope["headers"] if name == header)
    return [part.strip() for part in whole.decode("latin-1").split(",") if part.strip()]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
