"""Facts about this host, as labels, from files of the kernel and the distribution. What cannot be told is left out."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

from attune.core.nodes.labels import labels_of

_MARKERS = {"docker": ".dockerenv", "podman": "run/.containerenv"}
_IN_CGROUP = {
    "kubernetes": re.compile(r"kubepods"),
    "podman": re.compile(r"libpod|/podman"),
    "docker": re.compile(r"/docker[-/]|/moby/"),
    "lxc": re.compile(r"/lxc[./]|lxc\.payload|lxc\.monitor"),
    "containerd": re.compile(r"/containerd|cri-containerd"),
}
_KNOWN = re.compile(r"[a-z][a-z0-9-]*")
_MEMORY = re.compile(r"^MemTotal:\s*(\d+) kB", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^\s*(ID|VERSION_ID|BUILD_ID)=(.*)$", re.MULTILINE)
_UNBOUNDED = 2**60  # bytes; older kernels write about 2**63 for no limit


def host_facts(root: Path = Path("/")) -> dict[str, str]:
    """The facts of this host (see `core.nodes.labels.FACTS`), in about a millisecond. Files are read below *root*."""

    def text(path: str) -> str:
        try:
            return (root / path).read_bytes()[:65_536].decode("utf-8", "replace")
        except OSError:
            return ""

    system = os.uname()
    release = text("etc/os-release") or text("usr/lib/os-release")
    groups = [line[3:] for line in text("proc/self/cgroup").splitlines() if line.startswith("0::")]
    above = {folder for group in groups for folder in (PurePath(group), *PurePath(group).parents)}
    quotas = [text(f"sys/fs/cgroup{folder}/cpu.max") for folder in above]
    limits = [text("sys/fs/cgroup/memory.max"), text("sys/fs/cgroup/memory/memory.limit_in_bytes")]
    facts: Mapping[str, object | None] = {
        "os": system.sysname,
        "arch": system.machine,
        "distro": distro(release),
        "kernel": system.release,
        "cpus": cpus(len(os.sched_getaffinity(0)), text("sys/fs/cgroup/cpu.max"), *quotas),
        "memory_gb": memory_gb(text("proc/meminfo"), limits),
        "container": container(
            text("proc/1/cgroup") + text("proc/self/cgroup"),
            text("proc/1/environ"),
            text("run/systemd/container"),
            lambda marker: (root / marker).exists(),
        ),
        "hostname": system.nodename,
    }
    return labels_of({name: value for name, value in facts.items() if value not in (None, "")})


def distro(os_release: str) -> str | None:
    """`debian-12` of the text of `os-release`; without a version (`arch`) only the name."""
    values = {name: value.strip().strip("\"'") for name, value in _ASSIGNMENT.findall(os_release)}
    name, version = values.get("ID"), values.get("VERSION_ID")
    if not name:
        return None
    return f"{name}-{version}" if version else name


def cpus(allowed: int | None, *cpu_max: str) -> int | None:
    """How many CPUs work may use: those this process is *allowed*, or fewer where a quota says so (rounded up)."""
    for quota, _, period in (text.strip().partition(" ") for text in cpu_max):
        if allowed and quota.isascii() and quota.isdigit() and period.isascii() and period.isdigit() and int(period):
            allowed = max(1, min(allowed, -(-int(quota) // int(period))))
    return allowed


def memory_gb(meminfo: str, limits: list[str]) -> float | None:
    """Memory in GiB, one digit after the point: the host's, or less where one of *limits* (in bytes) says so."""
    total = _MEMORY.search(meminfo)
    known = [int(total[1]) * 1024] if total else []
    for limit in limits:
        written = limit.strip()
        if written.isascii() and written.isdigit() and 0 < int(written) < _UNBOUNDED:
            known.append(int(written))
    return round(min(known) / 2**30, 1) if known else None


def container(cgroup: str, environ: str, systemd: str, exists: Callable[[str], bool]) -> str:
    """The kind of container (`docker`, `lxc` …), or `none`, by the first process and what systemd says."""
    for kind, pattern in _IN_CGROUP.items():
        if pattern.search(cgroup):
            return kind
    named = dict(part.split("=", 1) for part in environ.split("\0") if "=" in part).get("container") or systemd
    word = _KNOWN.fullmatch(named.strip().lower())
    if word:
        return word[0]
    return next((kind for kind, marker in _MARKERS.items() if exists(marker)), "none")
