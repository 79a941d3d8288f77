"""Where can this run, and why not elsewhere? The matcher, on a fleet that was built by hand."""

from attune import (
    Capability,
    CapabilityInstance,
    Node,
    NodeStatus,
    Preference,
    Requirement,
    RuntimeTerm,
    Status,
    explain,
    match,
)


def python(version: str) -> Capability:
    return Capability("python", instances=(CapabilityInstance(version, "/usr/bin/python3"),))


fleet = [
    Node(1, "build-1", {"python": python("3.11.7")}, labels={"zone": "eu"}),
    Node(2, "build-2", {"python": python("3.8.18")}, labels={"zone": "eu"}, max_concurrent=4, running=1),
    Node(3, "build-3", {"python": Capability("python", Status.UNAVAILABLE, reason="python: not found on PATH")}),
    Node(4, "build-4", {"python": python("3.12.1")}, status=NodeStatus.DRAINING),
]
requirement = Requirement.parse("python >=3.9; zone=eu")
placement = match(requirement, fleet, preferences=[Preference.parse("zone=eu *5")])
assert placement.best is not None
print(placement.best.node.name, placement.best.instances["python"].path)
for refusal in placement.others:
    print(refusal.node.name, refusal.category, [str(finding.term) for finding in refusal.unmet])

assert RuntimeTerm("docker") in Requirement.parse("docker").terms
print(explain(Requirement.parse("python >=3.13"), fleet))
