"""The question that is asked before any work is started: whether this host agrees to execute it."""

from dataclasses import dataclass

from attune.core.ports.runtimes import PathLookup
from attune.core.runtimes.command import Missing
from attune.host.contract.policy import HostPolicy


@dataclass(frozen=True, slots=True)
class Admission:
    """What of work *policy* admits. *lookup* finds interpreters as checks are found, under the same policy."""

    policy: HostPolicy
    lookup: PathLookup

    def refuses(self, path: str, entry: str) -> str | None:
        """Why the file at *path* is not executed for the entry point *entry*, or None.

        They are the same where an entry point is executed itself: `native` or its path must be allowed then. Of one
        that an interpreter reads only the owners matter. Raises `OSError` where that cannot be found out.
        """
        if path == entry:
            refusal = self.policy.refuses_name("native")
            if refusal and self.policy.refuses_name(path):
                return f"native programs are {refusal}"
            return self.policy.refuses_file(path)
        return self._refuses_interpreter(path) or self.policy.ownership.refuses_file(entry)

    def _refuses_interpreter(self, path: str) -> str | None:
        if not self.policy.refuses_name(path):
            return self.policy.refuses_file(path)
        self.lookup.token()  # it may be what an allowed name stands for, and that may have changed
        found = self.lookup.find(path)
        return found.detail if isinstance(found, Missing) else None
