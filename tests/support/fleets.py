"""Nodes, fleets and requirements for tests: builders with keyword overrides, and strategies that draw them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from attune.core.errors import RequirementError
from attune.core.matching.fleet import Capability, CapabilityInstance, Node, NodeStatus, by_name
from attune.core.matching.requirement import Requirement
from attune.core.runtimes.verdict import Status

AVAILABLE, UNKNOWN = Status.AVAILABLE, Status.UNKNOWN


def capability(name: str, *versions: str | None, status: Status = AVAILABLE, **keys: Any) -> Capability:
    """One instance for each version, in /opt; verified 38 seconds ago unless *keys* say otherwise."""
    instances = tuple(CapabilityInstance(version, f"/opt/{name}-{version}/bin/{name}") for version in versions)
    defaults: dict[str, Any] = {"reason": f"{name}: verified", "evidence": f"{name} --version", "age": 38.0}
    return Capability(name, status, instances, **{**defaults, **keys})


def node(number: int, *capabilities: Capability, **keys: Any) -> Node:
    """Node w<number>."""
    return Node(number, f"w{number}", by_name(capabilities), **keys)


def pythons(*versions: str) -> list[Node]:
    """One node for each version of python."""
    return [node(number, capability("python", version)) for number, version in enumerate(versions, 1)]


RUNTIMES = ("python", "node", "java", "docker")
VERSIONS = ("3", "3.9.1", "3.12", "3.12.4", "3.13.0rc1", "8.0.392", "17.0.2", "18.20.4", "20.11.1", "21", "nightly")
CONSTRAINTS = (">=3.9,<4", ">=3.12.4", "^20.1", "~=3.11", "17 || >=21", "==3.12.*", "<18", "!=3.12.4", ">=20", "*")
LABELS = {
    "zone": ("eu", "us", "12"),
    "gpu": ("", "a100"),
    "arch": ("x86_64", "aarch64"),
    "cpus": ("4", "8", "many"),
    "core.gpu": ("",),
}
TAINTS = ("gpu-only", "slow")

_names = st.sampled_from(RUNTIMES)
REFS = ("core.python", "acme.python", "core.gpu", "acme.sensor.builtin")
_versioned = st.builds(
    "{} {}".format, st.sampled_from((*RUNTIMES, *REFS, "zone", "kernel", "python3.11")), st.sampled_from(CONSTRAINTS)
)
_plain = st.one_of(_names, st.sampled_from((*REFS, "gpu", "ffmpeg", "zone")))
_positive = st.one_of(_versioned, _plain, _versioned.map("{} verified".format))
_negative = st.one_of(_versioned, _plain).map("!{}".format)
_labels = st.sampled_from(
    ("zone=eu", "zone!=eu", "zone in (eu, us)", "zone not in (us)", 'zone="12"', "zone=12", "arch=amd64", "arch!=arm64")
)
_numbers = st.builds("cpus {}{}".format, st.sampled_from((">=", ">", "<=", "<", "=", "!=")), st.integers(1, 16))
term_texts = st.one_of(_positive, _negative, _labels, _numbers)


@st.composite
def requirements(draw: st.DrawFn, texts: st.SearchStrategy[str] = term_texts) -> Requirement:
    terms = draw(st.lists(texts, min_size=1, max_size=4))
    try:
        return Requirement.parse([*terms, *draw(st.sampled_from(([], ["tolerates slow"])))])
    except RequirementError:  # two of the terms contradict each other
        return Requirement.parse(terms[0])


@st.composite
def capabilities(draw: st.DrawFn, name: str) -> Capability:
    status = draw(st.sampled_from((AVAILABLE, AVAILABLE, AVAILABLE, *Status)))
    versions = draw(st.lists(st.sampled_from((*VERSIONS, None)), max_size=2)) if status.offered else []
    ref = f"{draw(st.sampled_from(('core', 'acme')))}.{name}"
    return capability(name, *versions, status=status, reason=draw(st.sampled_from(("verified", "timed out"))), ref=ref)


@st.composite
def nodes(draw: st.DrawFn, number: int = 1) -> Node:
    held = [draw(capabilities(name)) for name in draw(st.lists(_names, max_size=4))]
    labels = {name: draw(st.sampled_from(LABELS[name])) for name in draw(st.sets(st.sampled_from(sorted(LABELS))))}
    return node(
        number,
        *held,
        labels=labels,
        taints=frozenset(draw(st.sets(st.sampled_from(TAINTS), max_size=1))),
        status=draw(st.sampled_from((NodeStatus.ACTIVE, NodeStatus.ACTIVE, NodeStatus.ACTIVE, *NodeStatus))),
        running=draw(st.integers(0, 2)),
        max_concurrent=draw(st.sampled_from((None, 2, 4))),
    )


@st.composite
def versioned_fleets(draw: st.DrawFn, max_size: int = 12) -> list[Node]:
    """Nodes that all have python and node, in various versions: fleets that lack little."""
    version = st.sampled_from([one for one in VERSIONS if one != "nightly"])
    status = st.sampled_from((NodeStatus.ACTIVE,) * 6 + (NodeStatus.DRAINING, NodeStatus.STALE))
    held = st.tuples(st.lists(version, min_size=1, max_size=2), version, status)
    drawn = draw(st.lists(held, min_size=1, max_size=max_size))
    return [
        node(number, capability("python", *pythons), capability("node", other), status=state)
        for number, (pythons, other, state) in enumerate(drawn, 1)
    ]


versioned = st.builds("{} {}".format, st.sampled_from(("python", "node")), st.sampled_from(CONSTRAINTS))


@st.composite
def fleets(draw: st.DrawFn, max_size: int = 12) -> list[Node]:
    size = draw(st.integers(0, max_size))
    return [draw(nodes(number)) for number in range(1, size + 1)]
