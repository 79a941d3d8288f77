"""What others could swap is not executed, and says why; what real systems look like goes on working."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from attune.core.runtimes.command import Ending
from attune.core.runtimes.definition import Definition
from attune.core.runtimes.verdict import Status, Verdict
from attune.host.contract.ownership import OwnershipRule
from attune.host.contract.policy import HostPolicy
from attune.host.probing.assemble import HostOptions, assemble
from attune.operations.runtimes.examine import Examiner, read_definitions
from factories import command as check
from factories import make_runtime, verification
from host_checks import command, run_all

ME, STRANGER, GROUP = os.geteuid(), 12345, 23456
pytestmark = pytest.mark.skipif(ME != 0, reason="only root can give files away")


@dataclass
class Tree:
    """A file system below *root*, which a stranger prepares or a distribution builds."""

    root: Path
    path: list[str] = field(default_factory=list)
    binary: str = "tool"

    @property
    def planted(self) -> Path:
        """What a planted file leaves behind when it is executed."""
        return self.root / "planted"

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def folder(self, path: str, mode: int = 0o755, owner: int = 0, group: int = 0) -> Path:
        folder = self.at(path)
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, owner, group)
        folder.chmod(mode)
        return folder

    def file(
        self, path: str, line: str = "echo tool 1.0", mode: int = 0o755, owner: int = 0, run_by: str = "/bin/sh"
    ) -> str:
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!{run_by}\n{line}\n")
        os.chown(file, owner, -1)
        file.chmod(mode)
        return str(file)

    def bait(self, path: str, mode: int = 0o755, owner: int = STRANGER) -> str:
        return self.file(path, f"echo > {self.planted}; echo tool 6.6.6", mode, owner)

    def link(self, path: str, target: str, owner: int = 0) -> None:
        """A link; an absolute *target* lies in this tree."""
        link = self.at(path)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(self.at(target) if target.startswith("/") else target)
        os.lchown(link, owner, -1)

    def give(self, path: str, owner: int) -> None:
        """All from *path* down to *owner*."""
        for place in (self.at(path), *self.at(path).rglob("*")):
            os.lchown(place, owner, -1)

    def examine(self, policy: HostPolicy | None = None) -> Verdict:
        path = ":".join(str(self.at(entry)) if entry.startswith("/") else entry for entry in self.path)
        checks = assemble({"PATH": f"{path}:/usr/bin:/bin"}, HostOptions(policy or HostPolicy()))
        runtime = make_runtime("acme.tool", "Tool", verification(check(binary=self.binary, pattern=r"tool \d")))
        definitions = [item for item in read_definitions([runtime]) if isinstance(item, Definition)]
        (verdict,) = Examiner(checks.runner, checks.paths).examine(definitions)
        return verdict


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    tree = Tree(tmp_path / "system", ["/evil/bin", "/good/bin"])
    tree.folder("/")
    tree.file("/good/bin/tool")
    yield tree
    assert not tree.planted.exists()


def everybody(tree: Tree) -> str:
    tree.bait("/evil/bin/tool", owner=0)
    tree.folder("/evil/bin", 0o777)
    return "/evil/bin is writable by everybody (owner root (uid 0), mode 0777)"


def sticky(tree: Tree) -> str:
    tree.bait("/evil/bin/tool", owner=0)
    tree.folder("/evil/bin", 0o1777)
    return "/evil/bin is writable by everybody (owner root (uid 0), mode 1777)"


def group(tree: Tree) -> str:
    tree.bait("/evil/bin/tool", owner=0)
    tree.folder("/evil/bin", 0o775, group=GROUP)
    return f"/evil/bin is writable by the group gid {GROUP}, whose members cannot be listed (owner root (uid 0)"


def foreign_folder(tree: Tree) -> str:
    tree.bait("/evil/bin/tool", owner=0)
    tree.folder("/evil/bin", owner=STRANGER)
    return f"/evil/bin belongs to none of this host's trusted owners (owner uid {STRANGER}, mode 0755)"


def foreign_binary(tree: Tree) -> str:
    tree.bait("/evil/bin/tool")
    return f"/evil/bin/tool belongs to none of this host's trusted owners (owner uid {STRANGER}, mode 0755)"


def writable_binary(tree: Tree) -> str:
    tree.bait("/evil/bin/tool", 0o757, owner=0)
    return "/evil/bin/tool is writable by everybody"


def writable_parent(tree: Tree) -> str:
    tree.bait("/evil/bin/tool", owner=0)
    tree.folder("/evil", 0o777)
    return "/evil is writable by everybody"


def link_into_a_writable_folder(tree: Tree) -> str:
    tree.bait("/open/tool-6", owner=0)
    tree.folder("/open", 0o777)
    tree.link("/evil/bin/tool", "/open/tool-6")
    return "/open, which is writable by everybody"


def link_of_a_stranger(tree: Tree) -> str:
    tree.bait("/elsewhere/tool", owner=0)
    tree.link("/evil/bin/tool", "/elsewhere/tool", owner=STRANGER)
    return f"/evil/bin/tool belongs to none of this host's trusted owners (owner uid {STRANGER})"


def setuid_bait(tree: Tree) -> str:
    tree.bait("/evil/bin/tool", 0o4755)
    return "mode 4755"


def hard_link(tree: Tree) -> str:
    tree.folder("/home", owner=STRANGER)
    tree.folder("/evil/bin")
    os.link(tree.bait("/home/tool"), tree.at("/evil/bin/tool"))
    return f"/evil/bin/tool belongs to none of this host's trusted owners (owner uid {STRANGER}"


def interpreter_in_a_writable_folder(tree: Tree) -> str:
    interpreter = tree.bait("/open/interpreter", owner=0)
    tree.folder("/open", 0o777)
    tree.file("/evil/bin/tool", run_by=interpreter)
    return f"is run by {interpreter}: {tree.at('/open')} is writable by everybody"


HIJACKS = (
    *(everybody, sticky, group, foreign_folder, foreign_binary, writable_binary, writable_parent),
    *(link_into_a_writable_folder, link_of_a_stranger, setuid_bait, hard_link, interpreter_in_a_writable_folder),
)


@pytest.mark.parametrize("layout", HIJACKS)
def test_what_others_could_swap_is_passed_over_and_explained(tree: Tree, layout: Callable[[Tree], str]) -> None:
    hop = layout(tree)
    verdict = tree.examine()

    assert (verdict.status, verdict.version, verdict.path) == (Status.AVAILABLE, "1.0", str(tree.at("/good/bin/tool")))
    assert "; passed over: " in verdict.reason
    assert hop in verdict.reason


@pytest.mark.parametrize("layout", HIJACKS)
def test_where_nothing_else_is_there_the_reason_names_the_hop(tree: Tree, layout: Callable[[Tree], str]) -> None:
    hop = layout(tree)
    tree.at("/good/bin/tool").unlink()
    verdict = tree.examine()

    assert verdict.status is Status.UNAVAILABLE
    assert verdict.reason.startswith("tool: ")
    assert hop in verdict.reason


@pytest.mark.parametrize("entry", ["", ".", "evil/bin", "./evil/bin"])
def test_a_file_in_the_working_folder_is_not_a_command(tree: Tree, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.chdir(tree.folder("/here", 0o777))
    for place in ("/here/tool", "/here/evil/bin/tool", "/here/second"):
        tree.bait(place)
    tree.file("/good/bin/tool", "second 2>/dev/null; echo tool 1.0")
    tree.path = [entry, "/good/bin", entry]

    assert (tree.examine().version, tree.planted.exists()) == ("1.0", False)


@pytest.mark.parametrize("layout", [everybody, sticky, foreign_folder, writable_parent])
def test_what_a_script_finds_on_the_path_is_not_planted_either(tree: Tree, layout: Callable[[Tree], str]) -> None:
    layout(tree)
    tree.file("/good/bin/shim", "exit 1", run_by="/usr/bin/env tool")
    tree.binary = "shim"

    assert tree.examine().version == "1.0"


def test_a_link_that_is_swapped_all_the_time_leads_nowhere(tree: Tree) -> None:
    tree.folder("/evil/bin", 0o1777)
    good, bad = tree.file("/evil/good"), tree.bait("/home/tool", owner=0)
    link, over = tree.at("/evil/bin/tool"), tree.at("/evil/bin/next")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in (good, bad):
                over.symlink_to(target)
                os.lchown(over, STRANGER, -1)
                over.rename(link)

    link.symlink_to(good)
    os.lchown(link, STRANGER, -1)
    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        runner = assemble({"PATH": f"{tree.at('/evil/bin')}:/usr/bin"}).runner
        endings = {
            outcome.ending
            for _ in range(1000)
            for outcome in run_all(runner, {"name": command("tool"), "path": command(str(link))}).values()
        }
    finally:
        stop.set()
        swapper.join()

    assert endings <= {Ending.REFUSED, Ending.NOT_FOUND}
    assert Ending.REFUSED in endings


def test_a_second_name_that_a_stranger_gave_in_a_sticky_folder_is_refused(tree: Tree) -> None:
    tree.folder("/tmp", 0o1777)
    os.link(tree.bait("/home/dangerous", owner=0), tree.at("/tmp/tool"))
    tree.binary = str(tree.at("/tmp/tool"))

    assert "has another name, and everybody could have given it this one" in tree.examine().reason


# What must go on working


def debian(tree: Tree) -> None:
    tree.path = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    tree.file("/usr/bin/tool-1")
    tree.folder("/usr/local/bin", 0o2775, group=50)
    tree.link("/etc/alternatives/tool", "/usr/bin/tool-1")
    tree.link("/usr/bin/tool", "/etc/alternatives/tool")


def ubuntu(tree: Tree) -> None:
    tree.path = ["/bin"]
    tree.file("/usr/bin/tool")
    tree.link("/bin", "usr/bin")


def fedora(tree: Tree) -> None:
    tree.path = ["/usr/bin"]
    tree.file("/usr/libexec/tool-1", mode=0o555)
    tree.link("/usr/bin/tool", "../libexec/tool-1")
    tree.folder("/usr/bin", 0o555)


def alpine(tree: Tree) -> None:
    tree.path = ["/bin"]
    tree.file("/bin/busybox")
    tree.link("/bin/tool", "/bin/busybox")


def nix(tree: Tree) -> None:
    tree.path = ["/run/current-system/sw/bin"]
    tree.file("/nix/store/abc-tool-1.0/bin/tool", mode=0o555)
    tree.folder("/nix/store/.links")
    os.link(tree.at("/nix/store/abc-tool-1.0/bin/tool"), tree.at("/nix/store/.links/0abc"))
    tree.folder("/nix/store/abc-tool-1.0/bin", 0o555)
    tree.link("/nix/store/def-system/sw/bin/tool", "/nix/store/abc-tool-1.0/bin/tool")
    tree.link("/run/current-system", "/nix/store/def-system")
    tree.folder("/nix/store", 0o1775, group=GROUP)


def opt(tree: Tree) -> None:
    tree.path = ["/usr/local/bin"]
    tree.file("/opt/tool-1.0/bin/tool")
    tree.link("/opt/tool", "tool-1.0")
    tree.link("/usr/local/bin/tool", "/opt/tool/bin/tool")


def snap(tree: Tree) -> None:
    tree.path = ["/snap/bin"]
    tree.file("/usr/bin/snap")
    tree.link("/snap/bin/tool", "/usr/bin/snap")


def conda(tree: Tree) -> None:
    tree.path = ["/opt/conda/envs/x/bin", "/opt/conda/condabin"]
    tree.file("/opt/conda/pkgs/tool-1.0/bin/tool")
    tree.folder("/opt/conda/envs/x/bin")
    os.link(tree.at("/opt/conda/pkgs/tool-1.0/bin/tool"), tree.at("/opt/conda/envs/x/bin/tool"))


def container(tree: Tree) -> None:
    tree.path = ["/usr/local/bin", "/app/node_modules/.bin"]
    tree.file("/app/node_modules/tool/cli")
    tree.link("/app/node_modules/.bin/tool", "../tool/cli")
    tree.folder("/tmp", 0o1777)


@pytest.mark.parametrize("layout", [debian, ubuntu, fedora, alpine, nix, opt, snap, conda, container])
@pytest.mark.parametrize("user", [0, STRANGER])
def test_what_distributions_build_works_for_root_and_for_a_user(
    tmp_path: Path, layout: Callable[[Tree], None], user: int
) -> None:
    tree = Tree(tmp_path)
    layout(tree)
    members: dict[int, Collection[int]] = {50: ()}
    verdict = tree.examine(HostPolicy(ownership=OwnershipRule(user, members=members.get)))

    assert (verdict.status, verdict.version, verdict.reason) == (
        Status.AVAILABLE,
        "1.0",
        "verified by `tool --version`",
    )


def pyenv(tree: Tree) -> None:
    tree.file("/home/me/.pyenv/shims/tool", run_by="/usr/bin/env bash")


def rbenv(tree: Tree) -> None:
    tree.file("/home/me/.rbenv/shims/tool", run_by="/usr/bin/env bash")


def asdf(tree: Tree) -> None:
    tree.file("/home/me/.asdf/shims/tool", run_by="/usr/bin/env bash")


def nvm(tree: Tree) -> None:
    tree.file("/home/me/.nvm/versions/node/v20.0.0/lib/node_modules/tool/cli")
    tree.link("/home/me/.nvm/versions/node/v20.0.0/bin/tool", "../lib/node_modules/tool/cli")


def mise(tree: Tree) -> None:
    tree.file("/home/me/.local/bin/mise")
    tree.link("/home/me/.local/share/mise/shims/tool", "/home/me/.local/bin/mise")


def sdkman(tree: Tree) -> None:
    tree.file("/home/me/.sdkman/candidates/java/17/bin/tool")
    tree.link("/home/me/.sdkman/candidates/java/current", "17")


def rustup(tree: Tree) -> None:
    tree.file("/home/me/.cargo/bin/rustup")
    os.link(tree.at("/home/me/.cargo/bin/rustup"), tree.at("/home/me/.cargo/bin/tool"))


def miniconda(tree: Tree) -> None:
    tree.file("/home/me/miniconda3/bin/tool", run_by=tree.file("/home/me/miniconda3/bin/python", 'exec sh "$@"'))


@pytest.mark.parametrize(
    ("layout", "entry"),
    [
        (pyenv, "/home/me/.pyenv/shims"),
        (rbenv, "/home/me/.rbenv/shims"),
        (asdf, "/home/me/.asdf/shims"),
        (nvm, "/home/me/.nvm/versions/node/v20.0.0/bin"),
        (mise, "/home/me/.local/share/mise/shims"),
        (sdkman, "/home/me/.sdkman/candidates/java/current/bin"),
        (rustup, "/home/me/.cargo/bin"),
        (miniconda, "/home/me/miniconda3/bin"),
    ],
)
@pytest.mark.parametrize("mask", [0o022, 0o002])
def test_version_managers_work_for_the_user_in_whose_home_they_are(
    tmp_path: Path, layout: Callable[[Tree], None], entry: str, mask: int
) -> None:
    tree = Tree(tmp_path, [entry])
    layout(tree)
    tree.give("/home/me", STRANGER)
    for place in (tree.at("/home/me"), *tree.at("/home/me").rglob("*")):
        if not place.is_symlink():
            place.chmod(0o777 & ~mask)
    mine = OwnershipRule(STRANGER, members=lambda group: {STRANGER})

    assert tree.examine(HostPolicy(ownership=mine)).reason == "verified by `tool --version`"
    for user in (0, STRANGER + 1):
        refused = tree.examine(HostPolicy(ownership=OwnershipRule(user, members=lambda group: {STRANGER})))
        assert refused.status is Status.UNAVAILABLE
        assert f"(owner uid {STRANGER}, mode" in refused.reason


def test_homebrew_works_with_one_line_and_the_reason_says_which(tmp_path: Path) -> None:
    tree = Tree(tmp_path, ["/home/linuxbrew/.linuxbrew/bin"])
    tree.file("/home/linuxbrew/.linuxbrew/Cellar/tool/1.0/bin/tool", mode=0o555)
    tree.link("/home/linuxbrew/.linuxbrew/bin/tool", "../Cellar/tool/1.0/bin/tool")
    tree.give("/home/linuxbrew", STRANGER)

    assert (
        f"{tree.at('/home/linuxbrew')} belongs to none of this host's trusted owners (owner uid {STRANGER}, mode 0755)"
        in tree.examine().reason
    )
    trusting = HostPolicy(ownership=OwnershipRule(ME, [STRANGER]))
    assert tree.examine(trusting).reason == "verified by `tool --version`"
