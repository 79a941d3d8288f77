"""Actions, sensors and rules of StackStorm, in the form of the earlier installation, and what runs nowhere here."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from attune.core.documents import DocumentNode, node_of, plain

Values = dict[str, DocumentNode]
Note = Callable[[str, str], None]
"""Tells, without harm, what is said of a key."""

_RUNNERS = re.compile(
    "python-script|local-shell-cmd|(remote|winrm|windows)-.*|http-request|action-chain|mistral.*|orquesta|workflow"
    "|inquirer|noop|announcement|cloudslang|run-.*"
)
_OF_THE_RUNNER = ("sudo", "sudo_password", "cwd", "env", "kwarg_op", "timeout", "log_level")
_CRITERIA: dict[str, tuple[str, str]] = {
    **{name: (name, "") for name in ("equals", "eq", "startswith", "endswith", "contains", "gt", "lt", "regex")},
    **{"nequals": ("ne", ""), "neq": ("ne", ""), "ncontains": ("not_contains", ""), "exists": ("exists", "")},
    **{"greaterthan": ("gt", ""), "lessthan": ("lt", ""), "inside": ("in", ""), "ninside": ("not_in", "")},
    **{"matchregex": ("matches", "(?s)^(?:{})"), "iregex": ("matches", "(?i){}"), "nexists": ("exists", "")},
    **{"iequals": ("matches", "(?is)^{}$"), "ieq": ("matches", "(?is)^{}$"), "icontains": ("matches", "(?is){}")},
    **{"istartswith": ("matches", "(?is)^{}"), "iendswith": ("matches", "(?is){}$")},
}
"""Operators of criteria: ours, and the pattern that a text is written into, literally unless it was one."""


def why_left(kind: str, values: Mapping[str, DocumentNode], left: Collection[str] = ()) -> str:
    """Why what *values* describe runs nowhere here, "" where it may; *left* are refs of what does not."""
    said = {key: plain(node) for key, node in values.items()}
    if kind == "actions" and any(said.get(key) for key in ("workflow_file", "workflow_def", "is_workflow", "tasks")):
        return "it is a workflow, and nothing runs workflows here"
    runner = said.get("runner_type")
    if kind == "actions" and isinstance(runner, str) and _RUNNERS.fullmatch(runner):
        return f"nothing runs the runner_type {runner} here"
    if kind == "sensors" and said.get("class_name"):
        return "it is a class, and only programs run here"
    trigger, action = _inner(said.get("trigger"), "type"), _inner(said.get("action"), "ref") or said.get("action_ref")
    if kind == "rules" and isinstance(trigger, str) and trigger.startswith("core.st2."):
        return f"nothing tells of {trigger} here"
    return f"its action {action} is left out" if kind == "rules" and isinstance(action, str) and action in left else ""


def _inner(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else value


def rewrite(kind: str, values: Values, note: Note) -> None:
    """Take the parts of *values* that others write as one object apart, into keys that `spellings.py` knows."""
    if kind == "actions" and plain(values.get("runner_type")) == "local-shell-script":
        _rewrite_script(values, note)
    if kind == "rules":
        for key, inner in (("trigger", "type"), ("action", "ref")):
            node = values.get(key)
            if node is not None and isinstance(node.value, Mapping) and inner in node.value:
                values[key] = node.value[inner]
                if plain(parameters := node.value.get("parameters", DocumentNode(None))):
                    values[f"{key}_params"] = parameters
                note(key, f"read as {key}: {plain(values[key])}")
        if isinstance(values.get("criteria", DocumentNode(None)).value, Mapping):
            _rewrite_criteria(values, note)


def _rewrite_script(values: Values, note: Note) -> None:
    position = values["runner_type"].position
    values["runner_type"] = DocumentNode("shell", position)
    values.setdefault("delivery", DocumentNode("args", position))
    note("runner_type", "read as runtime: shell, delivery: args")
    given = values.get("parameters", DocumentNode({}))
    if isinstance(given.value, Mapping) and (left := [name for name in _OF_THE_RUNNER if name in given.value]):
        kept = {name: node for name, node in given.value.items() if name not in left}
        values["parameters"] = DocumentNode(kept, given.position)
        note("parameters", f"left out, for they are the runner's: {', '.join(left)}")


def _rewrite_criteria(values: Values, note: Note) -> None:
    """As conditions; a rule of which one cannot be said is switched off, for it would follow too much."""
    node = values.pop("criteria")
    conditions = []
    for field, written in plain(node).items():
        for one in written if isinstance(written, list) else [written]:
            condition = _condition(field, one if isinstance(one, Mapping) else {})
            conditions += [condition] if condition else []
            if condition is None:
                values["enabled"] = DocumentNode(False, node.position)
                note("criteria", f"left out: {field}, whose comparison has no equal here, so the rule is switched off")
    if conditions:
        values["when"] = node_of(conditions, position=node.position)
        note("criteria", "read as when")


def _condition(field: str, written: Mapping[str, Any]) -> dict[str, Any] | None:
    kind, pattern = str(written.get("type")).lower(), written.get("pattern")
    operator, form = _CRITERIA.get(kind, ("", ""))
    if not operator or (form and not isinstance(pattern, str)):
        return None
    path = re.sub(r"^trigger\.(payload\.)?", "payload.", field.partition("#")[0])
    if form:
        pattern = form.format(pattern if "regex" in kind else re.escape(str(pattern)))
    return {"field": path, "operator": operator, "value": kind == "exists" if operator == "exists" else pattern}
