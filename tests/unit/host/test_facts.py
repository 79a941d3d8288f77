"""Facts about a host, from real samples of the files that they are read from."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import pytest

from attune.core.nodes.labels import FACTS, UNIVERSAL
from attune.host.facts import container, cpus, distro, host_facts, memory_gb

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
UBUNTU = 'NAME="Ubuntu"\nVERSION_ID="22.04"\nVERSION="22.04.4 LTS"\nID=ubuntu\nID_LIKE=debian\n'
ROCKY = 'NAME="Rocky Linux"\nVERSION="9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'
ALPINE = 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.1\n'
ARCH = 'NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\n'
MEMINFO = "MemTotal:       16311764 kB\nMemFree:         8135708 kB\nSwapTotal:       2097148 kB\n"

HOST = "0::/init.scope\n"
DOCKER_V1 = "12:pids:/docker/0f1e2d3c4b5a\n1:name=systemd:/docker/0f1e2d3c4b5a\n"
DOCKER_SYSTEMD = "0::/system.slice/docker-0f1e2d3c4b5a.scope\n"
KUBERNETES = "11:cpu:/kubepods/burstable/pod0f1e/cri-containerd-4b5a\n"
PODMAN = "0::/machine.slice/libpod-0f1e2d3c4b5a.scope\n"
LXC = "0::/lxc.payload.web/init.scope\n"
NAMESPACED = "0::/\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEBIAN, "debian-12"),
        (UBUNTU, "ubuntu-22.04"),
        (ROCKY, "rocky-9.4"),
        (ALPINE, "alpine-3.20.1"),
        (ARCH, "arch"),
        ("ID='debian'\r\nVERSION_ID='13'\r\n", "debian-13"),
        ("", None),
        ("NAME=odd\nnonsense\n", None),
    ],
)
def test_a_distribution_is_its_id_and_version(text: str, expected: str | None) -> None:
    assert distro(text) == expected


@pytest.mark.parametrize(
    ("cgroup", "environ", "systemd", "files", "expected"),
    [
        (HOST, "", "", (), "none"),
        (DOCKER_V1, "", "", (".dockerenv",), "docker"),
        (DOCKER_SYSTEMD, "", "", (), "docker"),
        (KUBERNETES, "", "", (), "kubernetes"),
        (PODMAN, "", "", (), "podman"),
        (LXC, "", "", (), "lxc"),
        (NAMESPACED, "PATH=/bin\0container=podman\0", "", ("run/.containerenv",), "podman"),
        (NAMESPACED, "PATH=/bin\0container=lxc\0", "", (), "lxc"),
        (NAMESPACED, "", "systemd-nspawn\n", (), "systemd-nspawn"),
        (NAMESPACED, "", "", (".dockerenv",), "docker"),
        (NAMESPACED, "", "", ("run/.containerenv",), "podman"),
        (NAMESPACED, "container=two words;\0", "", (), "none"),
        ("", "", "", (), "none"),
    ],
)
def test_the_kind_of_container_is_told(
    cgroup: str, environ: str, systemd: str, files: tuple[str, ...], expected: str
) -> None:
    assert container(cgroup, environ, systemd, lambda path: path in files) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([], 15.6),
        (["max\n", ""], 15.6),
        (["2147483648\n"], 2.0),
        (["9223372036854771712\n"], 15.6),
        (["137438953472"], 15.6),
        (["", "536870912"], 0.5),
        (["nonsense"], 15.6),
    ],
)
def test_memory_is_what_the_host_has_or_the_container_may_use(limits: list[str], expected: float) -> None:
    assert memory_gb(MEMINFO, limits) == expected


def test_memory_is_not_told_where_nothing_tells() -> None:
    assert memory_gb("", ["max"]) is None


@pytest.mark.parametrize(
    ("allowed", "cpu_max", "expected"),
    [
        (8, "", 8),
        (8, "max 100000\n", 8),
        (8, "250000 100000\n", 3),
        (8, "50000 100000\n", 1),
        (2, "800000 100000\n", 2),
        (8, "100 0\n", 8),
        (8, "nonsense", 8),
        (None, "200000 100000", None),
    ],
)
def test_cpus_are_those_that_work_may_use(allowed: int | None, cpu_max: str, expected: int | None) -> None:
    assert cpus(allowed, cpu_max) == expected


def test_this_host_tells_every_fact_that_every_host_has() -> None:
    facts = host_facts()

    assert UNIVERSAL <= facts.keys() <= FACTS.keys()
    assert facts["os"] == platform.system().lower()
    assert facts["arch"] in ("x86_64", "aarch64") or platform.machine() not in ("x86_64", "aarch64", "arm64", "amd64")
    assert facts["kernel"] == platform.release()
    assert facts["hostname"] == platform.node().lower()
    assert 1 <= int(facts["cpus"]) <= (os.cpu_count() or 1)
    assert float(facts["memory_gb"]) > 0


def test_a_root_without_any_of_the_files_still_gives_the_facts_of_the_kernel(tmp_path: Path) -> None:
    facts = host_facts(tmp_path)

    assert facts["container"] == "none"
    assert "distro" not in facts and "memory_gb" not in facts
    assert facts["os"] == platform.system().lower()


def test_files_below_another_root_are_read(tmp_path: Path) -> None:
    for path, text in {"usr/lib/os-release": ALPINE, "proc/meminfo": MEMINFO, "proc/1/cgroup": LXC}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "etc" / "os-release").mkdir(parents=True)  # unreadable: it is a folder

    facts = host_facts(tmp_path)
    assert (facts["distro"], facts["memory_gb"], facts["container"]) == ("alpine-3.20.1", "15.6", "lxc")


def test_quotas_of_this_control_group_and_of_those_above_it_count(tmp_path: Path) -> None:
    for folder, quota in {"a/b": "max 100000", "a": "100000 100000"}.items():
        (tmp_path / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / folder / "cpu.max").write_text(quota)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("1:cpu:/\n0::/a/b\n")

    assert host_facts(tmp_path)["cpus"] == "1"


def test_gathering_takes_under_two_milliseconds() -> None:
    host_facts()
    times = []
    for _ in range(100):
        began = time.thread_time()
        host_facts()
        times.append(time.thread_time() - began)

    assert min(times) < 0.002
