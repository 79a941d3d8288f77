"""Test a program that embeds Attune: a host that runs nothing, and definitions in memory."""

import asyncio

from attune import Examiner, Runtime, RuntimeDetector
from attune.testing import FakeHost, MemoryRuntimes, printed

RUBY = Runtime(
    ref="acme.ruby",
    name="Ruby",
    distributions={"verification": {"commands": [{"binary": "ruby", "args": ["--version"], "pattern": "ruby 3"}]}},
)


async def main() -> None:
    host = FakeHost({"ruby": printed("ruby 3.1.2p20 (2022-04-12)")})
    detector = RuntimeDetector(MemoryRuntimes([RUBY]), examiner=Examiner(host, host))
    assert await detector.detect_from_database() == ["ruby"]
    assert host.ran == [("ruby", "--version")]


asyncio.run(main())
