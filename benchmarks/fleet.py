"""A fleet like those that people run: hosts of a few systems, versions in use today, facts about each host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from attune.core.matching.fleet import Capability, CapabilityInstance, Node
from attune.core.runtimes.verdict import Status

# The newer of these are the more common ones: see `_version`.
VERSIONS = {
    "python": "3.8.20 3.9.2 3.9.18 3.10.12 3.10.14 3.11.2 3.11.7 3.11.9 3.12 3.12.3 3.12.4 3.13.0rc1 3.13.1",
    "node": "12.22.12 14.21.3 16.20.2 18.19.0 18.20.4 20.11.1 20.15.0 20.18.1 22.2.0 22.11.0",
    "java": "1.8.0_392 11.0.22 17.0.9 17.0.15 21.0.2 21.0.5 23.0.1",
    "ruby": "2.7.4 3.0.6 3.1.2 3.2.3 3.3.5 3.4.1",
    "perl": "5.30.0 5.32.1 5.34.0 5.36.0 5.38.2",
    "go": "1.19.8 1.20.14 1.21.6 1.22.2 1.23.4",
    "php": "7.4.33 8.1.2 8.2.28 8.3.6",
    "shell": "4.2.46 4.4.20 5.0.17 5.1.16 5.2.15 5.2.21",
    "dotnet": "6.0.428 8.0.408 9.0.101",
    "docker": "20.10.24 24.0.7 26.1.3 27.3.1 28.2.2",
    "git": "2.25.1 2.34.1 2.39.5 2.43.0 2.47.1",
    "ffmpeg": "4.2.7 4.4.2 5.1.6 6.1.1 7.1",
    "terraform": "1.5.7 1.6.6 1.9.8 1.10.2",
    "kubectl": "1.27.16 1.29.4 1.30.6 1.31.3",
    "psql": "13.18 14.15 15.10 16.6 17.2",
    "rust": "1.63.0 1.75.0 1.80.1 1.83.0",
    "r": "4.1.2 4.2.2 4.3.3 4.4.2",
    "lua": "5.1.5 5.3.6 5.4.6",
    "make": "4.2.1 4.3 4.4.1",
    "cmake": "3.16.3 3.22.1 3.25.1 3.28.3 3.31.2",
    "powershell": "7.2.18 7.4.6",
    "deno": "1.46.3 2.1.4",
    "curl": "7.68.0 7.81.0 7.88.1 8.5.0 8.11.1",
    "openssl": "1.1.1n 3.0.2 3.0.15 3.3.2",
}
_COMMON = ("python", "shell", "perl", "git", "curl", "openssl")
_STATUS = (Status.AVAILABLE,) * 17 + (Status.DECLARED, Status.UNAVAILABLE, Status.UNKNOWN)
_KERNELS = ("5.4.0-216", "5.10.0-33", "5.15.0-126", "6.1.0-28", "6.1.0-31", "6.8.0-49", "6.11.0-12")
_CHOICES = {name: text.split() for name, text in VERSIONS.items()}
_OTHERS = [name for name in VERSIONS if name not in _COMMON]


def nodes(count: int, *, runtimes: int = 12, seed: int = 7) -> Iterator[Node]:
    """*count* nodes with *runtimes* runtimes each."""
    random = Random(seed)
    for number in range(1, count + 1):
        names = [*_COMMON, *random.sample(_OTHERS, runtimes - len(_COMMON))]
        yield Node(
            number,
            f"worker-{number:06}",
            {name: _capability(random, name) for name in names},
            _labels(random, number),
            frozenset({"gpu-only"}) if random.random() < 0.05 else frozenset(),
            running=random.randrange(4),
            max_concurrent=4,
        )


def _capability(random: Random, name: str) -> Capability:
    count = 2 if name == "python" and random.random() < 0.2 else 1
    instances = tuple(CapabilityInstance(_version(random, name), f"/usr/bin/{name}") for _ in range(count))
    return Capability(name, random.choice(_STATUS), instances)


def _version(random: Random, name: str) -> str:
    versions = _CHOICES[name]
    return versions[int(random.random() ** 0.6 * len(versions))]


def _labels(random: Random, number: int) -> dict[str, str]:
    labels = {
        "os": "linux",
        "arch": "aarch64" if random.random() < 0.2 else "x86_64",
        "distro": random.choice(("debian-11", "debian-12", "ubuntu-20.04", "ubuntu-22.04", "ubuntu-24.04", "rocky-9")),
        "kernel": f"{random.choice(_KERNELS)}-generic",
        "cpus": random.choice(("2", "4", "8", "16", "32", "64")),
        "memory_gb": random.choice(("3.8", "7.7", "15.6", "31.2", "62.7", "125.7")),
        "container": random.choice(("none", "none", "docker", "podman", "lxc")),
        "hostname": f"host-{number:06}",
        "zone": random.choice(("eu-1", "eu-2", "us-1", "us-2", "ap-1")),
    }
    if random.random() < 0.03:
        labels["gpu"] = random.choice(("a100", "h100", "l4"))
    return labels


def changed(random: Random, node: Node) -> Node:
    """*node* after its pythons, and its node if it has one, were replaced."""
    found = {name: _capability(random, name) for name in ("python", "node") if name in node.capabilities}
    return replace(node, capabilities={**node.capabilities, **found})
