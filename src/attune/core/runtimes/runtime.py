"""A runtime as it stands in the table `runtime`: the row, unread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from attune.core.documents import DocumentNode, node_of


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
