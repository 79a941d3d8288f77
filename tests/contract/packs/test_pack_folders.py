"""`PackFolders`: one suite for the fake and for the cache of this host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from attune.core.errors import UsageError
from attune.core.packs.pack import PackFile, digest_of
from attune.host.packs.cache import PackCache
from attune.testing import MemoryPackFolders

pytestmark = pytest.mark.anyio
FILES = [PackFile("pack.yaml", b"ref: x")]
DIGEST = digest_of(FILES)


@pytest.fixture(params=["memory", "host"])
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    async def fetch(digest: str) -> Sequence[PackFile] | None:
        return FILES if digest == DIGEST else None

    return (
        MemoryPackFolders(DIGEST)
        if request.param == "memory"
        else PackCache(tmp_path, fetch, helper_files=[PackFile("m.py", b"")])
    )


async def test_a_version_has_one_folder(folders: Any) -> None:
    folder = await folders.folder(DIGEST)

    assert folder.is_absolute()
    assert await folders.folder(DIGEST) == folder


async def test_a_version_that_nobody_has_is_refused(folders: Any) -> None:
    with pytest.raises(UsageError, match="expected one that the database has, got none"):
        await folders.folder("0" * 64)


async def test_what_actions_in_python_can_import_has_a_folder_of_its_own(folders: Any) -> None:
    folder = await folders.helper()

    assert folder.is_absolute()
    assert folder != await folders.folder(DIGEST)
