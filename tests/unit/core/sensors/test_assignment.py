"""Which node runs which sensor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attune.core.errors import UsageError
from attune.core.matching.fleet import Capability, CapabilityInstance, Node, NodeStatus, by_name
from attune.core.runtimes.verdict import Status
from attune.core.sensors.assignment import AssignmentPlan, AssignmentView, Lease, move_target, plan, why_waiting
from attune.core.sensors.sensor import Sensor


def node(number: int, *versions: str, status: NodeStatus = NodeStatus.ACTIVE) -> Node:
    instances = tuple(CapabilityInstance(version, f"/usr/bin/python{version}") for version in versions)
    capabilities = by_name([Capability("python", Status.AVAILABLE, instances, ref="core.python")] if versions else [])
    return Node(number, f"s{number}", capabilities, status=status, role="sensor")


def sensor(number: int, *requires: str) -> Sensor:
    return Sensor(number, f"acme.{number:02}", "acme.happened", "x.py", "python", "core.python", requires=requires)


def world(nodes: list[Node], sensors: list[Sensor], *leases: Lease) -> AssignmentView:
    return AssignmentView(sensors, nodes, {one.sensor: one for one in leases})


def test_free_sensors_are_spread_and_every_node_sees_it_alike() -> None:
    view = world([node(1, "3.11"), node(2, "3.12")], [sensor(one) for one in range(1, 6)])

    assert [plan(one, view).take for one in (1, 2)] == [(1, 3, 5), (2, 4)]


def test_a_sensor_goes_only_where_it_can_run() -> None:
    view = world([node(1, "3.9"), node(2, "3.12"), node(3)], [sensor(one, "python >=3.11") for one in (1, 2)])

    assert [plan(one, view).take for one in (1, 2, 3)] == [(), (1, 2), ()]


def test_a_lease_that_is_valid_stays_and_counts() -> None:
    held = Lease(1, worker=1, epoch=4, left=5.0, age=10.0)
    view = world([node(1, "3.11"), node(2, "3.11")], [sensor(1), sensor(2)], held)

    assert (plan(1, view), plan(2, view)) == (AssignmentPlan(pending=True), AssignmentPlan((2,), pending=True))


def test_the_next_in_line_steps_in_where_the_first_does_not_act() -> None:
    nodes, sensors = [node(1, "3.11"), node(2, "3.11"), node(3, "3.11")], [sensor(1)]
    plans = {
        left: [plan(one, world(nodes, sensors, Lease(1, 9, 1, left))).take for one in (1, 2, 3)]
        for left in (-0.5, -1.0, -2.5)
    }

    assert plans == {-0.5: [(1,), (), ()], -1.0: [(1,), (1,), ()], -2.5: [(1,), (1,), (1,)]}


def test_a_node_that_is_not_heard_of_is_given_nothing() -> None:
    for status in (NodeStatus.STALE, NodeStatus.LOST):
        view = world([node(1, "3.11", status=status), node(2, "3.11")], [sensor(1), sensor(2)])
        assert plan(2, view).take == (1, 2)


def test_a_node_gives_back_what_it_can_no_longer_run() -> None:
    mine = Lease(1, worker=1, epoch=1, left=5.0)
    cases = {
        "a runtime withdrawn": (node(1), [sensor(1)], "s1 cannot run it any more: core.python: no runtime of that ref"),
        "another version": (node(1, "3.9"), [sensor(1, "python >=3.11")], "python >=3.11: found 3.9"),
        "drained": (node(1, "3.11", status=NodeStatus.DRAINING), [sensor(1)], "s1 is draining"),
        "disabled": (node(1, "3.11"), [], "it is disabled or gone"),
        "a requirement nobody can read": (node(1, "3.11"), [sensor(1, "python >>")], "cannot be read"),
    }
    found = {name: plan(1, world([one], sensors, mine)).give_back[1] for name, (one, sensors, _) in cases.items()}

    assert [name for name, (_, _, words) in cases.items() if words not in found[name]] == [], found


def test_a_late_heartbeat_does_not_take_sensors_away() -> None:
    mine = Lease(1, worker=1, epoch=1, left=5.0)

    assert plan(1, world([node(1, "3.11", status=NodeStatus.STALE)], [sensor(1)], mine)).give_back == {}


def test_a_sensor_stays_where_it_is_though_another_node_has_less_to_do() -> None:
    nodes, sensors = [node(1, "3.11"), node(2, "3.11")], [sensor(one) for one in (1, 2, 3, 4)]
    leases = [Lease(one.id, 1, 1, left=5.0, age=1e6) for one in sensors]

    assert [plan(one, world(nodes, sensors, *leases)) for one in (1, 2)] == [AssignmentPlan(), AssignmentPlan()]


def test_a_sensor_moves_to_the_node_that_is_wanted_and_nobody_else_steps_in_before_it() -> None:
    nodes, sensors = [node(1, "3.11"), node(2, "3.11"), node(3, "3.11")], [sensor(1), sensor(2)]
    held = Lease(1, 1, 1, left=5.0, wanted=3)
    other = Lease(2, 3, 1, left=5.0)
    before = world(nodes, sensors, held, other)
    free = world(nodes, sensors, replace(held, worker=None, left=-0.5), other)
    late = world(nodes, sensors, replace(held, worker=None, left=-1.5), other)

    assert plan(1, before).give_back == {1: "it moves to s3"}
    assert [plan(one, free).take for one in (1, 2, 3)] == [(), (), (1,)]
    assert [plan(one, late).take for one in (1, 2, 3)] == [(1,), (), (1,)]


def test_a_sensor_is_not_given_back_for_a_node_that_cannot_take_it_or_has_it() -> None:
    sensors = [sensor(1, "python >=3.11")]
    for wanted in (node(2, "3.9"), node(2, "3.12", status=NodeStatus.LOST), node(1, "3.11")):
        held = Lease(1, 1, 1, left=5.0, wanted=wanted.id)
        assert plan(1, world([node(1, "3.11"), wanted], sensors, held)).give_back == {}


def test_where_a_sensor_moves_and_what_is_in_the_way() -> None:
    nodes = [node(1, "3.11"), node(2, "3.11"), node(3, "3.11"), node(4, "3.9")]
    leases = [Lease(1, 1, 1, left=5.0), Lease(2, 2, 1, left=5.0), Lease(3, 4, 1, left=-1.0)]
    view = world(nodes, [sensor(one, "python >=3.11") for one in (1, 2, 3)], *leases)

    def target(ref: str, to: str | None = None, where: AssignmentView = view) -> str:
        found = move_target(ref, to, where)
        return found[1].name if found else "nowhere"

    def refusal(ref: str, to: str | None = None, where: AssignmentView = view) -> str:
        with pytest.raises(UsageError) as caught:
            move_target(ref, to, where)
        return str(caught.value)

    assert [target("acme.01"), target("acme.01", "s2"), target("acme.01", "s1"), target("acme.09")] == [
        "s3", "s2", "s1", "nowhere"
    ]  # fmt: skip
    assert refusal("acme.01", "s4").startswith(
        "acme.01 stays where it is: no sensor node can run it: s4 core.python >=3.11: found 3.9"
    )
    assert refusal("acme.01", "s9") == "no sensor node is called 's9'"
    assert refusal("acme.03") == "expected a sensor that runs, got acme.03, which waits: s1 is about to take it"
    assert refusal("acme.01", where=world(nodes[:1], [sensor(1)], leases[0])) == "there is no other sensor node"


def test_why_a_sensor_waits() -> None:
    asked = sensor(1, "python >=3.11")
    assert why_waiting(asked, []) == "no sensor node has registered"
    assert why_waiting(asked, [node(1, "3.12")]) == "s1 is about to take it"
    assert why_waiting(asked, [node(1, "3.9"), node(2)]) == (
        "no sensor node can run it: s1 core.python >=3.11: found 3.9 at /usr/bin/python3.9; "
        "s2 core.python >=3.11: no runtime of that ref"
    )
    assert why_waiting(asked, [node(1, "3.12", status=NodeStatus.LOST)]) == "no sensor node can run it: s1 is lost"
