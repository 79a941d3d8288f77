"""Packs and what they bring beside actions and runtimes: triggers, rules and sensors; and what has happened."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from attune.core.events.event import TriggerRecord
from attune.core.ports.sensors import SensorStatus
from attune.web.services import Services
from attune.web.ui.listing import SHOWN, Listing, number_of


async def _of_trigger(services: Services, trigger: TriggerRecord) -> Mapping[str, Any]:
    return {
        "rules": [rule for rule in await services.events.list_rules() if rule.trigger_ref == trigger.ref],
        "events": await services.events.list_events(SHOWN, trigger.ref),
    }


async def _of_sensor(services: Services, sensor: SensorStatus) -> Mapping[str, Any]:
    told = await services.events.list_events(SHOWN, sensor.trigger_ref)
    return {"events": [event for event in told if event.source_ref == sensor.ref]}


router = APIRouter(include_in_schema=False)
for _listing in (
    Listing("packs", "Packs", lambda services, _: services.packs.list_packs()),
    Listing(
        "rules",
        "Rules",
        lambda services, _: services.events.list_rules(),
        verbs={
            "enable": lambda services, ref, _who: services.events.set_rule_enabled(ref, True),
            "disable": lambda services, ref, _who: services.events.set_rule_enabled(ref, False),
        },
    ),
    Listing(
        "triggers", "Triggers", lambda services, _: services.events.list_triggers(), more=_of_trigger, kinds="execution"
    ),
    Listing(
        "events",
        "Events",
        lambda services, _: services.events.list_events(SHOWN),
        lambda services, key: services.events.get_event(number_of(key)),
        kinds="execution",
    ),
    Listing(
        "sensor-definitions",
        "Sensors",
        lambda services, _: services.sensors.status(),
        more=_of_sensor,
        verbs={
            "enable": lambda services, ref, _who: services.sensors.set_enabled(ref, True),
            "disable": lambda services, ref, _who: services.sensors.set_enabled(ref, False),
            "move": lambda services, ref, _who: services.sensors.move(ref),
        },
    ),
):
    router.include_router(_listing.router)
