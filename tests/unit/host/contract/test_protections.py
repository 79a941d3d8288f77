"""What `attune doctor` says of protections that are not active."""

from __future__ import annotations

from dataclasses import replace

from attune.host.contract.execution_contract import default_contract
from attune.host.contract.protections import protections


def test_what_a_setting_switches_off_is_switched_on_by_removing_it() -> None:
    found = {one.name: one for one in protections(replace(default_contract({}), confined=False))}

    landlock = found["landlock"]
    assert (landlock.problem, landlock.remedy) == ("host.landlock is false", "attune config: remove host.landlock")


def test_what_the_kernel_lacks_is_had_with_another_kernel() -> None:
    found = {one.name: one for one in protections(replace(default_contract({}), confined=True))}

    assert found["landlock"].remedy == "use Linux 6.12 or newer with Landlock enabled"
