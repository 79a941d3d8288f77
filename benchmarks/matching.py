"""How fast a large fleet is matched: the index against a plain loop, the SQL query and HTCondor's ClassAds.

One fleet of 100,000 workers with 12 runtimes each (`fleet.py`), one requirement of two terms that 6 % of it satisfies.
All take turns in every round, and before each question to the index one worker changes its interpreters.
`python -m benchmarks.matching [WORKERS]` prints the figures beside their targets.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import statistics
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from attune.core.matching.explain import explain
from attune.core.matching.fleet import Node, NodeStatus
from attune.core.matching.requirement import Preference, Requirement
from attune.core.matching.term_judgement import judge
from attune.core.runtimes.interval import Truth
from attune.postgres.connection import open_pool
from attune.postgres.embedded.server import EmbeddedServer
from attune.postgres.migrations.run import upgrade
from benchmarks.fleet import changed, nodes
from benchmarks.fleet_index import FleetIndex
from benchmarks.fleet_tables import fill
from benchmarks.probing import Figure, seconds
from benchmarks.sql_matcher import PostgresMatcher

WORKERS = 100_000
ROUNDS = 7
ASKED = 300  # questions to the index in each round
TWO_TERMS = Requirement.parse("python >=3.11,<3.13; node ^20")
# For the index, the SQL query: from one node to most of the fleet.
OTHERS = ("hostname=host-000777; python", "deno >=2.1; gpu", "ffmpeg; !docker", "python >=3.9; arch=x86_64")
PREFERENCES = [Preference.parse("zone=eu-1"), Preference.parse("gpu *3")]
CLASSAD = 'versionGE(python, "3.11") && versionLT(python, "3.13") && versionGE(node, "20") && versionLT(node, "21")'
CLASSADS = 20_000


@dataclass
class Times:
    """What was measured, in seconds."""

    loop: list[float] = field(default_factory=list)
    index: list[float] = field(default_factory=list)
    put: list[float] = field(default_factory=list)
    query: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    classads: list[float] = field(default_factory=list)


def plain_loop(requirement: Requirement, fleet: Sequence[Node]) -> list[int]:
    """What one would write first: the terms judged as the matcher judges them, up to the first that fails."""
    return [
        node.id
        for node in fleet
        if node.status is NodeStatus.ACTIVE
        and not node.is_full
        and not node.taints
        and all(judge(term, node).truth is Truth.YES for term in requirement.terms)
    ]


def class_ads(fleet: Sequence[Node]) -> Callable[[], object] | None:
    """Finds the ads that satisfy the same two terms; None where HTCondor's bindings are not installed."""
    try:
        classad: Any = importlib.import_module("classad2")
    except ImportError:
        return None
    ads = []
    for node in fleet:
        offered = {name: one for name, one in node.capabilities.items() if one.status.offered}
        ads.append(
            classad.ClassAd({**node.labels, **{name: one.instances[0].version for name, one in offered.items()}})
        )
    wanted = classad.ExprTree(CLASSAD)
    return lambda: [ad for ad in ads if wanted.eval(ad) is True]


def measure_memory(workers: int) -> list[Figure]:
    """The index of a fleet whose nodes are not kept: with every label."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    index = FleetIndex(nodes(workers))
    for text in (str(TWO_TERMS), *OTHERS):
        index.eligible(Requirement.parse(text))
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return [Figure("index, memory", used / 1e6, 100, "MB", at_most=True, note=f"{len(index)} workers, 10 labels too")]


def measure_first(index: FleetIndex) -> list[Figure]:
    """Requirements that the index has never seen."""
    times = []
    for minor in range(8, 14):
        for terms in (f"python >=3.{minor}.1; node >=18", f"java !=1{minor}; arch=x86_64", f"!go; git <2.4{minor - 5}"):
            requirement = Requirement.parse(terms)
            times.append(seconds(partial(index.eligible, requirement)))
    slowest, note = max(times) * 1000, f"median {statistics.median(times) * 1000:.2f} ms"
    return [Figure("index, first-seen requirement, slowest of 18", slowest, 10, "ms", at_most=True, note=note)]


def ask_index(index: FleetIndex, fleet: list[Node], requirement: Requirement, random: Random, times: Times) -> None:
    """Questions, each after a change of one worker."""
    for _ in range(ASKED):
        place = random.randrange(len(fleet))
        fleet[place] = changed(random, fleet[place])
        times.put.append(seconds(partial(index.put, fleet[place])))
        times.index.append(seconds(partial(index.eligible, requirement)))


async def measure(url: str, fleet: list[Node], index: FleetIndex) -> Times:
    times, random = Times(), Random(1)
    ads = class_ads(fleet[:CLASSADS])
    async with open_pool(url, size=2) as pool:
        matcher = PostgresMatcher(pool)
        found = await matcher.eligible(TWO_TERMS, limit=None)
        assert sorted(node.id for node in found) == list(index.eligible(TWO_TERMS))
        for _ in range(ROUNDS):
            times.loop.append(seconds(lambda: plain_loop(TWO_TERMS, fleet)))
            ask_index(index, fleet, TWO_TERMS, random, times)
            times.query.append(await awaited(lambda: matcher.eligible(TWO_TERMS, limit=None)))
            for _ in range(10):
                times.best.append(await awaited(lambda: matcher.eligible(TWO_TERMS, limit=10)))
            if ads is not None:
                times.classads.append(seconds(ads) * len(fleet) / CLASSADS)
    assert plain_loop(TWO_TERMS, fleet) == list(index.eligible(TWO_TERMS))
    return times


async def awaited(ask: Callable[[], Any]) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await ask()
    return loop.time() - began


def figures(times: Times, eligible: int) -> list[Figure]:
    index, put = statistics.median(times.index), statistics.median(times.put)
    loop, query, best = (statistics.median(one) for one in (times.loop, times.query, times.best))
    note = f"{eligible} ids; after a change of one worker each"
    found = [
        Figure("index, all eligible ids, median", index * 1000, 2, "ms", at_most=True, note=note),
        Figure("index, all eligible ids, p99", percentile(times.index, 99) * 1000, 5, "ms", at_most=True),
        Figure("index against a plain loop", loop / index, 100, note=f"loop {loop * 1000:.0f} ms"),
        Figure("index against the SQL query for all", query / index, 5, note=f"query {query * 1000:.1f} ms"),
        Figure("index, update of one worker, median", put * 1e6, 100, "us", at_most=True),
        Figure("SQL, best 10", best * 1000, 1000, "ms", at_most=True),
    ]
    if times.classads:
        peer = statistics.median(times.classads)
        note = f"{peer * 1000:.0f} ms, by the first {CLASSADS} ads; no unknown, one version for each runtime"
        found.append(Figure("index against HTCondor's ClassAds", peer / index, 1, note=note))
    return found


def percentile(times: Sequence[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]


async def measure_others(url: str, fleet: list[Node], index: FleetIndex) -> list[str]:
    """Lines about requirements that fewer and more nodes satisfy, and about preferences."""
    lines, random = [], Random(2)
    async with open_pool(url, size=2) as pool:
        matcher = PostgresMatcher(pool)
        for text in OTHERS:
            times, requirement = Times(), Requirement.parse(text)
            index.eligible(requirement)
            ask_index(index, fleet, requirement, random, times)
            best = statistics.median([await awaited(partial(matcher.eligible, requirement)) for _ in range(15)])
            lines.append(
                f"  {text:<30} {index.count(requirement):>6} ids: index {statistics.median(times.index) * 1e6:.0f} us,"
                f" p99 {percentile(times.index, 99) * 1000:.2f} ms; SQL best 10 {best * 1000:.1f} ms"
            )
        best = statistics.median(
            [await awaited(lambda: matcher.eligible(TWO_TERMS, preferences=PREFERENCES)) for _ in range(15)]
        )
    return [*lines, f"  with two preferences, SQL best 10 of the two terms {best * 1000:.1f} ms"]


def measure_explanations(fleet: Sequence[Node]) -> list[Figure]:
    found = []
    for size, target in ((len(fleet) // 10, 0.1), (len(fleet), 1.0)):
        part = fleet[:size]
        time = statistics.median(seconds(partial(explain, TWO_TERMS, part)) for _ in range(5))
        found.append(Figure(f"explanation over {size} workers", time * 1000, target * 1000, "ms", at_most=True))
    return found


def main(workers: int = WORKERS) -> int:
    for figure in measure_memory(workers):
        print(figure, flush=True)
    fleet = list(nodes(workers))
    index = FleetIndex(fleet)
    gc.freeze()  # the fleet is for comparison: collecting it is no part of any of them
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # the server runs as another user where this is root
        server = EmbeddedServer(Path(folder) / "data")
        url = server.acquire()
        try:
            upgrade(url)
            fill(url, fleet)
            times = asyncio.run(measure(url, fleet, index))
            parts: list[object] = [*figures(times, index.count(TWO_TERMS)), *measure_first(index)]
            parts += [*measure_explanations(fleet), *asyncio.run(measure_others(url, fleet, index))]
        finally:
            server.release()
    print(*parts, sep="\n", flush=True)
    if not times.classads:
        print("HTCondor's ClassAds are not measured: `pip install htcondor` to see them beside the others")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
