"""From the files of a pack to a pack that can be stored: everything that can be wrong is found first, all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attune.core.documents import DocumentNode, in_order
from attune.core.errors import Fault, SourcePosition, shown
from attune.core.events.expression import Evaluated, unknown_names
from attune.core.events.rule import VARIABLES
from attune.core.packs.pack import KINDS, Known, Pack, PackError, PackFile
from attune.core.packs.reader import Draft, WrittenExpression, read_pack
from attune.core.packs.references import resolve
from attune.core.ports.events import Expressions
from attune.core.runtimes.aliases import nearest

_SUFFIXES = (".yaml", ".yml")
ReadDocument = Callable[[bytes, str, list[Fault]], DocumentNode | None]
"""Parses the content of the file of that name; None, and a fault more, where that is impossible."""


@dataclass(frozen=True, slots=True)
class CheckedPack:
    """A pack without faults, its files, and what is to be said of it: keys that are not ours, or unknown."""

    pack: Pack
    files: tuple[PackFile, ...]
    notes: tuple[str, ...] = ()


async def check_files(
    name: str,
    files: Sequence[PackFile],
    *,
    known: Known,
    expressions: Expressions,
    read: ReadDocument,
    earlier: Sequence[Fault] = (),
) -> CheckedPack:
    """The pack that *files* make; *name* is what errors call it. Raises `PackError`, with *earlier* too."""
    faults = list(earlier)
    head, folders = _documents(files, read, faults)
    if head is None:
        raise PackError(name, in_order(faults))
    draft = read_pack(head, folders, faults)
    pack = resolve(draft, {file.path: file for file in files}, known, faults)
    faults += await _expression_faults(draft, expressions)
    if not all(fault.harmless for fault in faults):
        raise PackError(name, in_order(faults))
    return CheckedPack(pack, tuple(files), tuple(f"{note.position}: {note}" for note in in_order(faults)))


def _documents(
    files: Sequence[PackFile], read: ReadDocument, faults: list[Fault]
) -> tuple[DocumentNode | None, dict[str, list[DocumentNode]]]:
    heads = [file for file in files if file.path in ("pack.yaml", "pack.yml")]
    if len(heads) != 1:
        faults.append(Fault("", "one file of this name", "another" if heads else "none", SourcePosition("pack.yaml")))
    folders: dict[str, list[DocumentNode]] = {kind: [] for kind in KINDS}
    for file in files:
        kind, _, name = file.path.partition("/")
        if kind not in folders and name.endswith(_SUFFIXES) and (meant := nearest(kind.lower(), KINDS, 0.85)):
            faults.append(Fault("", f"the folder {meant}", f"{kind}, which is not read", SourcePosition(file.path)))
        if not name.endswith(_SUFFIXES) or "/" in name or kind not in folders:
            continue
        node = read(file.content, file.path, faults)
        if node is not None:
            several = node.value if kind == "runtimes" and isinstance(node.value, tuple) else (node,)
            folders[kind].extend(several)
    return read(heads[0].content, heads[0].path, faults) if heads else None, folders


async def _expression_faults(draft: Draft, expressions: Expressions) -> list[Fault]:
    if not draft.expressions:
        return []
    evaluated = await expressions.check([written.text for written in draft.expressions])
    pairs = zip(draft.expressions, evaluated, strict=True)
    return [fault for written, result in pairs if (fault := _expression_fault(written, result)) is not None]


def _expression_fault(written: WrittenExpression, result: Evaluated) -> Fault | None:
    if result.problem is not None:
        at = "" if result.line is None else f" (line {result.line}, column {result.column} of {shown(written.text)})"
        said = f"{result.problem}{at}"
        return Fault(written.path, "an expression", shown(written.text), written.position, sentence=said)
    unknown = ", ".join(unknown_names(written.text, result, VARIABLES))
    expected = f"the names {', '.join(sorted(VARIABLES))}"
    return Fault(written.path, expected, unknown, written.position) if unknown else None
