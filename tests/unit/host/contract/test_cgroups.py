"""A control group is used as the kernel's files want it. The tree here is made of plain files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from attune.host.contract.cgroups import ControlGroup, end_group, own_group

FILES = ("cgroup.procs", "cgroup.kill", "memory.max", "pids.max")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A folder in which a new folder has *files*, as the kernel would make them."""
    mkdir = os.mkdir

    def prepared(*files: str) -> Path:
        def make(path: str, *arguments: int) -> None:
            mkdir(path, *arguments)
            for name in files:
                Path(path, name).touch()

        monkeypatch.setattr(os, "mkdir", make)
        return tmp_path

    return prepared


def test_a_group_has_this_process_and_the_limits_of_the_host(tree: Callable[..., Path]) -> None:
    group = ControlGroup(str(tree(*FILES)))
    folder = Path(group.folder)

    group.limit(64 << 20, 100)

    assert folder.name == f"attune-{os.getpid()}"
    assert {name: (folder / name).read_text() for name in FILES} == {
        "cgroup.procs": str(os.getpid()),
        "cgroup.kill": "",
        "memory.max": str(64 << 20),
        "pids.max": "100",
    }
    group.kill()
    assert (folder / "cgroup.kill").read_text() == "1"


def test_what_is_not_limited_and_controllers_that_were_not_delegated_are_left_alone(tree: Callable[..., Path]) -> None:
    group = ControlGroup(str(tree("cgroup.procs", "cgroup.kill", "pids.max")))

    group.limit(64 << 20, None)

    assert sorted(path.name for path in Path(group.folder).iterdir()) == ["cgroup.kill", "cgroup.procs", "pids.max"]
    assert Path(group.folder, "pids.max").read_text() == ""


def test_a_kernel_whose_groups_cannot_be_killed_at_once_has_none_for_us(tree: Callable[..., Path]) -> None:
    with pytest.raises(OSError, match=r"cgroup\.kill"):
        ControlGroup(str(tree()))
    assert list(tree().iterdir()) == []


def test_the_group_of_a_supervisor_that_is_gone_is_ended(tree: Callable[..., Path]) -> None:
    parent = tree(*FILES)
    ControlGroup(str(parent))

    end_group(str(parent), os.getpid())

    assert (parent / f"attune-{os.getpid()}" / "cgroup.kill").read_text() == "1"


@pytest.mark.parametrize(
    ("mounts", "membership", "group"),
    [
        (
            "30 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup rw",
            "0::/system.slice/a.service",
            "/sys/fs/cgroup/system.slice/a.service",
        ),
        ("30 1 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw", "4:memory:/x\n0::/", "/sys/fs/cgroup/unified"),
        ("30 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw", "4:memory:/x", None),
    ],
)
def test_the_group_of_this_process_is_where_version_2_is_mounted(
    tmp_path: Path, mounts: str, membership: str, group: str | None
) -> None:
    (tmp_path / "mounts").write_text(mounts + "\n")
    (tmp_path / "membership").write_text(membership + "\n")
    files = str(tmp_path / "mounts"), str(tmp_path / "membership")

    if group is None:
        with pytest.raises(OSError, match="no control groups of version 2"):
            own_group(*files)
    else:
        assert own_group(*files) == group
