"""The two roles of a node. Everything that differs between a worker and a sensor is a row of this table."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """How one role is named: to people and in the settings, in the environment, and in the database."""

    name: str
    environment_variable: str
    database_role: str


WORKER = Role("worker", "ATTUNE_WORKER_RUNTIMES", "action")
SENSOR = Role("sensor", "ATTUNE_SENSOR_RUNTIMES", "sensor")
ROLES = {role.name: role for role in (WORKER, SENSOR)}


def role_of_variable(name: str) -> Role | None:
    """The role that environment variable *name* belongs to, or None."""
    return next((role for role in ROLES.values() if role.environment_variable == name), None)


def other_role_note(role: Role, variable: Callable[[str], str | None]) -> str | None:
    """A note where only the variable of another role is set; *variable* gives the text of one by its name."""
    own = role.environment_variable
    for other in ROLES.values() if variable(own) is None else ():
        if variable(other.environment_variable) is not None:
            return f"{other.environment_variable} is set but this is a {role.name}, which reads {own}"
    return None
