"""Which Host is ours, and whom a proxy speaks for."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from attune.web.front import Front
from attune.web.middleware.problems import ProblemError


def scope(client: str = "192.0.2.1", **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    where = {"path": "/", "scheme": "http", "client": (client, 5), "server": ("10.1.1.1", 8420)}
    return {"type": "http", "headers": pairs, **where}


@pytest.mark.parametrize(
    ("host", "ours", "everywhere"),
    [
        ("localhost", True, True),
        ("127.0.0.1:8420", True, True),
        ("[::1]:8420", True, True),
        ("10.1.1.1:8420", True, True),
        ("Attune.Example", True, True),
        ("other.example:1", True, True),
        ("10.9.9.9", False, True),
        ("evil.example", False, False),
        ("localhost.evil.example", False, False),
        ("localhost, evil.example", False, False),
        ("localhost:80@evil.example", False, False),
    ],
)
def test_a_host_is_ours_or_refused(host: str, ours: bool, everywhere: bool) -> None:
    names = frozenset({"other.example"})
    for listening, expected in (("10.1.1.1", ours), ("0.0.0.0", everywhere)):
        front = Front(host=listening, public_url="https://attune.example/x", hosts=names)
        if expected:
            front.settle(scope(host=host))
        else:
            with pytest.raises(ProblemError, match="Host: expected"):
                front.settle(scope(host=host))


def test_who_checks_health_may_use_any_name() -> None:
    Front().settle({**scope(host="evil.example"), "path": "/healthz"})


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.5", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.5", "1.2.3.4, 198.51.100.7, 10.0.0.9", "198.51.100.7"),
        ("10.0.0.5", "what", "10.0.0.5"),
        ("10.0.0.5", "", "10.0.0.5"),
    ],
)
def test_only_a_trusted_proxy_says_whom_it_speaks_for(peer: str, forwarded: str, client: str) -> None:
    request = scope(peer, x_forwarded_for=forwarded, x_forwarded_proto="https")
    Front(proxies=[ip_network("10.0.0.0/8")]).settle(request)

    assert request["client"][0] == client
    assert request["scheme"] == ("https" if peer.startswith("10.") else "http")


def test_a_public_address_with_tls_makes_every_request_one_over_tls() -> None:
    Front(public_url="https://attune.example").settle(request := scope())

    assert request["scheme"] == "https"
