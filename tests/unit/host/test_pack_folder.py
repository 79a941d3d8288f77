from __future__ import annotations

from pathlib import Path

import pytest

from attune.core.errors import UsageError
from attune.host.packs.folder import read_folder


@pytest.mark.parametrize("place", ["", "pack"])
def test_a_folder_that_others_may_write_is_refused_by_name(tmp_path: Path, place: str) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/pack.yaml").write_text("ref: img\n")
    assert [file.path for file in read_folder(tmp_path / "pack")[0]] == ["pack.yaml"]

    open_to_all = tmp_path / place
    open_to_all.chmod(0o777)
    with pytest.raises(UsageError, match=f"folder of a pack .*, but {open_to_all} is writable by everybody"):
        read_folder(tmp_path / "pack")
