from __future__ import annotations

import shutil
from pathlib import Path

from attune.host.probing.identity import Identifier
from attune.host.version_managers.selectors_trail import Selection


def digest(*files: Path) -> str:
    return Identifier({}).digest(tuple(map(str, files)))


def test_state_of_a_link_is_its_own_and_that_of_what_it_leads_to(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch()
    link.symlink_to(target)
    states = [digest(link)]
    (tmp_path / "other").symlink_to(target)  # so that the new link cannot get the number of the old one
    link.unlink()
    link.symlink_to(target)
    states.append(digest(link))
    target.write_text("more")
    states.append(digest(link))
    target.unlink()
    states.append(digest(link))

    assert len(set(states)) == 4
    assert states[3] == digest(tmp_path / "absent")


def test_identity_of_a_selection_has_all_that_it_names(tmp_path: Path) -> None:
    target, helper = tmp_path / "target", tmp_path / "helper"
    for file, name in ((target, "cat"), (helper, "env")):
        shutil.copy(shutil.which(name) or name, file)
    link = tmp_path / "link"
    link.symlink_to(target)
    selection = Selection(str(link), ("/absent",), (str(helper),), (str(link),), (f"{tmp_path}/lib",))
    identity = Identifier({}).identify_selection("/shim", selection)

    assert identity is not None
    assert {"/shim", "/absent", str(target), str(helper), f"{tmp_path}/lib/libc.so.6"} <= set(identity.files)
    assert f"{tmp_path}/lib/libc.so.6" not in (Identifier({}).identify(str(target)) or identity).files
    assert identity.real_path == "/shim"
    assert identity.routes == ((str(link), str(target)),)
    assert Identifier({}).leads(identity.routes)
    link.unlink()
    link.symlink_to(helper)
    assert not Identifier({}).leads(identity.routes)


def test_selection_of_a_script_has_no_identity(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")

    assert Identifier({}).identify_selection("/shim", Selection(str(script), ())) is None
