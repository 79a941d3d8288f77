"""From the folder of a pack to a pack that can be stored: everything that can be wrong is found first, all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attune.config.document import read_content
from attune.core.documents import Node, in_order
from attune.core.errors import Fault, SourcePosition, shown
from attune.core.events.expression import Evaluated, Expressions, unknown_names
from attune.core.events.rule import VARIABLES
from attune.core.packs.files import PackFile
from attune.core.packs.pack import KINDS, Known, Pack, PackError
from attune.core.packs.reader import Documents, Draft, WrittenExpression, read_pack
from attune.core.packs.references import resolve
from attune.host.packs.folder import read_folder

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class CheckedPack:
    """A pack without faults, and its files."""

    pack: Pack
    files: tuple[PackFile, ...]


async def check_folder(folder: Path, known: Known, expressions: Expressions) -> CheckedPack:
    """The pack in *folder*. Raises `PackError` with every fault, `UsageError` where there is no such folder."""
    files, faults = read_folder(folder)
    return await check_files(str(folder), files, known, expressions, faults)


async def check_files(
    name: str, files: Sequence[PackFile], known: Known, expressions: Expressions, found: Sequence[Fault] = ()
) -> CheckedPack:
    """The pack that *files* make; *name* is what errors call it. Raises `PackError`, with *found* too."""
    faults = list(found)
    documents = _documents(files, faults)
    if documents is None:
        raise PackError(name, in_order(faults))
    draft = read_pack(documents, faults)
    pack = resolve(draft, {file.path: file for file in files}, known, faults)
    faults += await _expression_faults(draft, expressions)
    if faults:
        raise PackError(name, in_order(faults))
    return CheckedPack(pack, tuple(files))


def _documents(files: Sequence[PackFile], faults: list[Fault]) -> Documents | None:
    heads = [file for file in files if file.path in ("pack.yaml", "pack.yml")]
    if len(heads) != 1:
        got = "another" if heads else "none"
        faults.append(Fault("", "one file of this name", got, SourcePosition("pack.yaml")))
    folders: dict[str, list[Node]] = {kind: [] for kind in KINDS}
    for file in files:
        kind, _, name = file.path.partition("/")
        if not name.endswith(_SUFFIXES) or "/" in name or kind not in folders:
            continue
        node = read_content(file.content, file.path, faults)
        if node is not None:
            several = node.value if kind == "runtimes" and isinstance(node.value, tuple) else (node,)
            folders[kind].extend(several)
    head = read_content(heads[0].content, heads[0].path, faults) if heads else None
    return Documents(head, folders) if head is not None else None


async def _expression_faults(draft: Draft, expressions: Expressions) -> list[Fault]:
    if not draft.expressions:
        return []
    judged = await expressions.check([written.text for written in draft.expressions])
    pairs = zip(draft.expressions, judged, strict=True)
    return [fault for written, result in pairs if (fault := _expression_fault(written, result)) is not None]


def _expression_fault(written: WrittenExpression, result: Evaluated) -> Fault | None:
    if result.problem is not None:
        at = "" if result.line is None else f" (line {result.line}, column {result.column} of {shown(written.text)})"
        sentence = f"{result.problem}{at}"
        return Fault(written.path, "an expression", shown(written.text), written.position, sentence=sentence)
    unknown = unknown_names(written.text, result, VARIABLES)
    if unknown:
        known = ", ".join(sorted(VARIABLES))
        return Fault(written.path, f"the names {known}", ", ".join(unknown), written.position)
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
