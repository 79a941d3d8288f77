"""Random fleets and requirements for the laws of matching, rich in what is hard: unknown and short versions, facts
that are missing, names that are a runtime here and a label there, taints, nodes that take no work."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from attune.core.errors import RequirementError
from attune.core.matching.fleet import Capability, CapabilityInstance, Node, NodeStatus, by_name
from attune.core.matching.requirement import Preference, Requirement
from attune.core.runtimes.verdict import Status

RUNTIMES = ("python", "node", "java", "gpu", "kernel", "docker", "acme.python")
REFS = ("core.python", "acme.python", "core.gpu")
VERSIONS = (
    *("3.9.2", "3.11", "3.11.4", "3.12", "3.12.0", "3.12.4", "3.13.0rc1", "3.13.0", "4", "4.0.0a1", "v20.1.0", "20"),
    *("17.0.15", "1.8.0_392", "21-ea", "garbage", "", "5.2.15(1)-release", "3.12.4+vendor", "20.1.0-rc.1"),
)
LABELS = {
    "zone": ("eu", "us", "3.11", ""),
    "gpu": ("true", "a100"),
    "arch": ("x86_64", "aarch64"),
    "kernel": ("5.15.0-91-generic", "6.1", "6.1.0", "unread"),
    "cpus": ("2", "8", "16", "many"),
    "memory_gb": ("3.8", "16", "64"),
    "hostname": tuple(f"host-{n}" for n in range(40)),
    "python": ("3.12.1", "yes"),
    "core.gpu": ("true", "3.12"),  # which no ref means
}
TAINTS = ("gpu-only", "spot", "canary")
CONSTRAINTS = (
    *(">=3.9,<4", ">=3.12.4", "^20.1", "~=3.11", "~>3.12.0", "17 || >=21", "==3.11.*", "3.12", "!=3.12", "<4", ">3.11"),
    *(">=3.13.0rc1", "<=3.12", "==3.12", ">=4.0.0a1 || 8", ">=5.15", "=6.1.0", "21-ea"),
)
TERMS = (
    *("zone=eu", "zone!=eu", "zone in (eu, us)", "zone not in (eu, us)", 'zone="3.11"', "zone", "!zone", "arch=x86_64"),
    *("arch!=x86_64", "arch", "!arch", "cpus >=8", "cpus !=8", "cpus <16", "memory_gb >4", "hostname=host-3", "*"),
    *("hostname!=host-4", "hostname in (host-1, host-2, host-30)", "hostname", "nothing", "!nothing", "nothing=1"),
)


def random_capability(random: Random, name: str) -> Capability:
    count = random.choice((0, 1, 1, 1, 2, 3))
    instances = tuple(
        CapabilityInstance(random.choice((*VERSIONS, None)), f"/opt/{name}/{n}" if random.random() < 0.9 else None)
        for n in range(count)
    )
    status = random.choice((Status.AVAILABLE,) * 8 + tuple(Status))
    cached = status is Status.AVAILABLE and random.random() < 0.1
    ref = name if "." in name else f"core.{name}"
    return Capability(name.removeprefix("acme."), status, instances, reason="because", cached=cached, ref=ref)


def random_node(random: Random, node_id: int) -> Node:
    names = random.sample(RUNTIMES, random.randrange(len(RUNTIMES)))
    labels = random.sample(sorted(LABELS), random.randrange(len(LABELS)))
    limit = random.choice((None, 1, 4))
    return Node(
        node_id,
        f"w{random.randrange(1000)}-{node_id}",
        by_name(random_capability(random, name) for name in names),
        {name: random.choice(LABELS[name]) for name in labels},
        frozenset(random.sample(TAINTS, random.choice((0, 0, 0, 1, 2)))),
        random.choice((NodeStatus.ACTIVE,) * 12 + tuple(NodeStatus)),
        running=random.randrange(3),
        max_concurrent=limit,
    )


def changed_node(random: Random, node: Node) -> Node:
    """*node* after something of it changed, or another one of the same id."""
    other = random_node(random, node.id)
    kept = random.choice(("capabilities", "labels", "status", "taints", "running", "everything"))
    return other if kept == "everything" else replace(node, **{kept: getattr(other, kept)})


def random_term(random: Random) -> str:
    if random.random() < 0.4:
        return random.choice(TERMS)
    text = random.choice((*RUNTIMES, *REFS))
    if random.random() < 0.8:
        text += f" {random.choice(CONSTRAINTS)}"
    if random.random() < 0.25:
        return f"!{text}"
    return f"{text} verified" if random.random() < 0.2 else text


def random_requirement(random: Random) -> Requirement:
    terms = [random_term(random) for _ in range(random.choice((1, 1, 2, 2, 3)))]
    terms += [f"tolerates {taint}" for taint in random.sample(TAINTS, random.choice((0, 0, 1, 2)))]
    try:
        return Requirement.parse(terms)
    except RequirementError:  # random terms may contradict each other
        return random_requirement(random)


def random_preferences(random: Random) -> list[Preference]:
    chosen = [term for term in (random_term(random) for _ in range(random.randrange(3))) if term != "*"]
    weights = [random.choice((-5, 1, 1, 3)) for _ in chosen]
    try:
        return [replace(Preference.parse(term), weight=w) for term, w in zip(chosen, weights, strict=True)]
    except RequirementError:
        return random_preferences(random)
