"""What can this host run? The detector, with a definition of your own and without a database."""

import asyncio

from attune import Runtime, RuntimeDetector
from attune.testing import MemoryRuntimes

PYTHON = Runtime(
    ref="acme.python",
    name="Python",
    distributions={"verification": {"commands": [{"binary": "python3", "args": ["--version"], "pattern": "Python 3"}]}},
)


async def main() -> None:
    verdict = await RuntimeDetector.verify(PYTHON)
    print(verdict.status, verdict.version, verdict.path, verdict.reason)
    detector = RuntimeDetector(MemoryRuntimes([PYTHON]))
    print(await detector.detect_from_database())


asyncio.run(main())
