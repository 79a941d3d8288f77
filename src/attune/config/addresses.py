"""Where PostgreSQL and the API are, and the token: checked as far as a slip can be named, and never shown whole."""

import re
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from attune.config.kinds import OTHER, Misfit, Scalar
from attune.core.documents import DocumentNode

# Split as libpq does: the first @ before any slash ends the credentials, and # is nothing special.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^@/]*@)?(?P<hosts>[^/?]*)(?P<rest>[/?].*)?")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
_HOSTS = "hosts as name, name:port or [address]:port"
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_NAME = re.compile(r"\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]|[^\s:\[\]@/\\%]+")
_TOKEN = re.compile(r"[\x21-\x7e]{1,500}")
_API_HOST = "a host as name, name:port or [address]:port, with a port from 1 to 65535"


def _database_url(node: DocumentNode) -> Any:
    url = node.value
    if not isinstance(url, str):
        return OTHER
    misfit = _misfit_of_url(url)
    escapes = "; in a password, percent-encode @ as %40, / as %2F, : as %3A" if "@" in url else ""
    return url if misfit is None else misfit._replace(more=escapes)


def _misfit_of_url(url: str) -> Misfit | None:
    match = _URL.fullmatch(url)
    if _BLANK.search(url):
        return Misfit(got="text with a space or a line break in it")
    if match is None:
        return Misfit(got="text that is not a URL")
    if match["scheme"].lower() not in ("postgresql", "postgres"):
        return Misfit(got=f"one that begins with {match['scheme'][:40]}://")
    return _misfit_of_hosts(match["hosts"], "@" in match["hosts"] + (match["rest"] or ""))


def _misfit_of_hosts(hosts: str, perhaps_password: bool) -> Misfit | None:
    """What is wrong with *hosts*, which is part of the password if that has a special character in it."""
    for host in hosts.split(","):
        match = _HOST.fullmatch(host)
        if match is None or "@" in host:
            return Misfit(_HOSTS, "something else" if perhaps_password else repr(host))
        port = match["port"]
        if port and not (re.fullmatch(r"[0-9]{1,9}", port) and 1 <= int(port) <= 65535):
            return Misfit("a port from 1 to 65535", "something else" if perhaps_password else port[:20])
    return None


def _network(node: DocumentNode) -> Any:
    try:
        ip_network(node.value if isinstance(node.value, str) else "", strict=False)
    except ValueError:
        return OTHER
    return node.value


def _api_url(node: DocumentNode) -> Any:
    url = node.value
    if not isinstance(url, str):
        return OTHER
    if len(url) > 2000:
        return Misfit("a URL of at most 2000 characters", f"{len(url)} characters")
    if _BLANK.search(url):
        return Misfit(got="text with a space or a line break in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return Misfit(_API_HOST)
    if parts.scheme not in ("http", "https"):
        return OTHER
    if "@" in parts.netloc:
        return Misfit("a URL without user and password (the token is a setting of its own)", "one with them")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return Misfit("a URL without ? and #")
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    return url.rstrip("/") if _NAME.fullmatch(host.rstrip(":")) and port != 0 else Misfit(_API_HOST)


def _token(node: DocumentNode) -> Any:
    text = node.value
    if not isinstance(text, str):
        return Misfit(got="something else")
    if len(text) > 500:
        return Misfit(got=f"{len(text)} characters")
    return text if _TOKEN.fullmatch(text) else Misfit(got="text with a space or a character beyond ASCII in it")


DATABASE_URL = Scalar(
    "a URL that begins with postgresql://", "postgresql://user@host:5432/database", _database_url, verbatim=True
)
"""A URL of a PostgreSQL server, as libpq reads it. Its errors never show it."""
NETWORK = Scalar("an address or a network", "10.0.0.0/8", _network, verbatim=True)
"""An address, or a network in CIDR form."""
API_URL = Scalar("a URL that begins with http:// or https://", "https://attune.example", _api_url, verbatim=True)
"""The URL below which `/api` lies. With or without a slash at its end, it is the same."""
TOKEN = Scalar("a token as `attune token create` prints it", "attune_…", _token, verbatim=True)
"""A token. Its errors never show it."""
