"""A runtime as it stands in the table `runtime`: the row, unread."""

from dataclasses import dataclass, field
from typing import Any

from attune.core.documents import DocumentNode, Section, node_of, plain

RUNTIME_KEYS = ("ref", "name", "description", "pack_ref", "distributions", "installation")


@dataclass(frozen=True, slots=True)
class Runtime:
    """A row of table `runtime`; `distributions`: its JSON, unread; `document`: where it was written, for positions."""

    ref: str
    name: str
    distributions: Any
    id: int | None = None
    pack: int | None = None
    pack_ref: str | None = None
    description: str | None = None
    installation: Any = None
    document: DocumentNode | None = field(default=None, compare=False, repr=False)

    def written(self, key: str) -> DocumentNode:
        """What the document says under *key*; without a document, the value of that name."""
        values = self.document.value if self.document else {}
        return values[key] if key in values else node_of(getattr(self, key))


def read_runtime(section: Section, node: DocumentNode, pack: str | None = None) -> Runtime | None:
    """The runtime that *section* of *node* describes, of *pack* or the pack that it names; None after refusing it."""
    values = {key: plain(section.node(key)) for key in RUNTIME_KEYS}  # asked for, each of them
    ref, name = (section.text(key, required=True) for key in ("ref", "name"))
    if ref is None or name is None:
        return None
    return Runtime(
        ref=ref,
        name=name,
        distributions=plain(node).get("distributions", {}),
        pack_ref=pack or str(values["pack_ref"] or ref.partition(".")[0]),
        description=section.text("description", longest=4000),
        installation=values["installation"],
        document=node,
    )
