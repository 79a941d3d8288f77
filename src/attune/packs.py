"""From the folder of a pack to a pack that can be stored: everything that can be wrong is found first, all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attune.config.data import located
from attune.core.errors import shown
from attune.core.events.expression import Evaluated, Expressions, unknown_names
from attune.core.events.rule import VARIABLES
from attune.core.packs.files import PackFile
from attune.core.packs.pack import KINDS, Known, Pack, PackError
from attune.core.packs.reader import Documents, Draft, WrittenExpression, read_pack
from attune.core.packs.references import resolve
from attune.core.positions import Located, Mistake, in_order
from attune.host.packs.folder import read_folder

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class CheckedPack:
    """A pack without mistakes, and its files."""

    pack: Pack
    files: tuple[PackFile, ...]


async def check_folder(folder: Path, known: Known, expressions: Expressions) -> CheckedPack:
    """The pack in *folder*. Raises `PackError` with every mistake, `UsageError` where there is no such folder."""
    files, mistakes = read_folder(folder)
    return await check_files(str(folder), files, known, expressions, mistakes)


async def check_files(
    name: str, files: Sequence[PackFile], known: Known, expressions: Expressions, found: Sequence[Mistake] = ()
) -> CheckedPack:
    """The pack that *files* make; *name* is what errors call it. Raises `PackError`, with *found* too."""
    mistakes = list(found)
    documents = _documents(files, mistakes)
    if documents is None:
        raise PackError(name, in_order(mistakes))
    draft = read_pack(documents, mistakes)
    pack = resolve(draft, {file.path: file for file in files}, known, mistakes)
    mistakes += await _expression_mistakes(draft, expressions)
    if mistakes:
        raise PackError(name, in_order(mistakes))
    return CheckedPack(pack, tuple(files))


def _documents(files: Sequence[PackFile], mistakes: list[Mistake]) -> Documents | None:
    heads = [file for file in files if file.path in ("pack.yaml", "pack.yml")]
    if len(heads) != 1:
        mistakes.append(
            Mistake("pack.yaml", f"expected one file of this name, got {'none' if not heads else 'another'}")
        )
    folders: dict[str, list[Located]] = {kind: [] for kind in KINDS}
    for file in files:
        kind, _, name = file.path.partition("/")
        if not name.endswith(_SUFFIXES) or "/" in name or kind not in folders:
            continue
        node = located(file.content, file.path, mistakes)
        if node is not None:
            several = node.value if kind == "runtimes" and isinstance(node.value, tuple) else (node,)
            folders[kind].extend(several)
    head = located(heads[0].content, heads[0].path, mistakes) if heads else None
    return Documents(head, folders) if head is not None else None


async def _expression_mistakes(draft: Draft, expressions: Expressions) -> list[Mistake]:
    if not draft.expressions:
        return []
    judged = await expressions.check([one.text for one in draft.expressions])
    return [
        mistake
        for one, result in zip(draft.expressions, judged, strict=True)
        if (mistake := _expression_mistake(one, result)) is not None
    ]


def _expression_mistake(written: WrittenExpression, result: Evaluated) -> Mistake | None:
    if result.problem is not None:
        at = "" if result.line is None else f" (line {result.line}, column {result.column} of {shown(written.text)})"
        return Mistake(written.origin, f"{written.path}: {result.problem}{at}")
    unknown = unknown_names(written.text, result, VARIABLES)
    if unknown:
        known = ", ".join(sorted(VARIABLES))
        return Mistake(written.origin, f"{written.path}: expected the names {known}, got {', '.join(unknown)}")
    return None


def shipped() -> Known:
    """What an installation has from the beginning."""
    from attune import catalogue
    from attune.core.runtimes.definition import capability_name
    from attune.core.runtimes.runtime import Runtime

    entries = (*catalogue.core_pack(), *catalogue.extras())
    return Known(
        {one["ref"]: capability_name(Runtime(one["ref"], one["name"], one["distributions"])) for one in entries}
    )
