"""JSON Schemas of pack authors and values held against them, with RE2 patterns and no reference to the outside."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import isfinite
from typing import Any

from attune.core.documents import DocumentNode, Path, dotted
from attune.core.errors import Fault, legible, shown
from attune.core.pattern import PatternError, compile_pattern
from attune.core.runtimes.aliases import did_you_mean

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_NOT_SCHEMAS = frozenset({"enum", "const", "default", "examples"})
_REPORTED = 20
_HIDDEN = "a secret value"
DEEPEST = 100

_Sentence = tuple[Path, str, str]  # where, what was expected, what is there


def schema_problems(
    schema: Mapping[str, Any], root: str = "", document: DocumentNode | None = None, skip: int = 0
) -> list[Fault]:
    """What is wrong with *schema*; fields begin with *root*, without the first *skip* steps of *document*."""
    import jsonschema

    validator = _validator(schema)
    meta = jsonschema.validators.validator_for(validator.META_SCHEMA)(validator.META_SCHEMA)
    sentences: dict[Path, tuple[str, str]] = {}
    for error in meta.iter_errors(schema):
        path = tuple(error.absolute_path)
        if len(path) > 1 and path[-2] == "type" and isinstance(path[-1], int):
            path = path[:-1]
        sentences.setdefault(path, _meta_sentence(error))
    for path, expected, got in _walk(schema, schema, ()):
        sentences.setdefault(path, (expected, got))
    return [_fault(root, path[skip:], *sentence, document) for path, sentence in sentences.items()]


def value_problems(
    schema: Mapping[str, Any], value: Any, *, root: str = "", document: DocumentNode | None = None
) -> list[Fault]:
    """What keeps *value* from fitting, at most 20 faults below *root*. What is marked `secret` is never shown."""
    secrets = secret_names(schema)
    faults: list[Fault] = []
    try:
        for error in _validator(schema)(schema, registry=_no_registry()).iter_errors(value):
            path = tuple(error.absolute_path)
            hidden = (bool(path) and path[0] in secrets) or _is_secret(error.schema)
            faults += [
                _fault(root, (*path, *more), expected, _HIDDEN if hidden and got != "nothing" else got, document)
                for more, expected, got in _sentences(error)
            ]
            if len(faults) >= _REPORTED:
                break
    except (RecursionError, ArithmeticError):
        faults.append(Fault(root or "value", "a value that can be checked", "one on which the schema does not end"))
    except Exception:  # what rows hold as a schema can be anything
        faults.append(Fault(root or "value", "a value that can be checked", "one whose schema is none"))
    return faults[:_REPORTED]


def _fault(root: str, path: Path, expected: str, got: str, document: DocumentNode | None) -> Fault:
    return Fault(dotted(root, path), expected, got, document.position_of(path) if document else None)


def secret_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """The properties that *schema* marks with `secret: true`."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return frozenset()
    return frozenset(name for name, below in properties.items() if _is_secret(below))


def defaults_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of *schema* that have a default, with it."""
    properties = schema.get("properties")
    known = properties.items() if isinstance(properties, Mapping) else ()
    return {name: below["default"] for name, below in known if isinstance(below, Mapping) and "default" in below}


def typed(schema: Mapping[str, Any], name: str, text: str) -> Any:
    """What *text* stands for as the property *name*: itself, or the JSON that it is where only that fits *schema*."""
    try:
        candidates = [text, json.loads(text)]
    except (ValueError, RecursionError):
        return text
    alone = {key: part for key, part in schema.items() if key in ("$schema", "$defs", "definitions", "properties")}
    return next((value for value in candidates if not value_problems(alone, {name: value})), candidates[-1])


def _is_secret(schema: object) -> bool:
    return isinstance(schema, Mapping) and schema.get("secret") is True


def _validator(schema: Mapping[str, Any]) -> Any:
    named = schema.get("$schema")
    return _validator_named(named if isinstance(named, str) else None)


@cache
def _validator_named(named: str | None) -> Any:
    import jsonschema

    plain = jsonschema.validators.validator_for({"$schema": named} if named else {}, jsonschema.Draft202012Validator)
    return jsonschema.validators.extend(plain, {"pattern": _pattern})  # type: ignore[no-untyped-call]


@cache
def _no_registry() -> Any:
    from referencing import Registry

    return Registry()


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    import jsonschema

    if isinstance(instance, str) and not compile_pattern(pattern).search(instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _walk(node: Any, root: Mapping[str, Any], path: Path) -> Iterator[_Sentence]:
    """What the meta-schema does not see: patterns that RE2 lacks, references that lead nowhere."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            here = (*path, key)
            if key == "pattern" and isinstance(value, str):
                try:
                    compile_pattern(value)
                except PatternError as error:
                    yield here, "a pattern (RE2)", f"{shown(value)}: {error}"
            elif key in ("$ref", "$dynamicRef") and isinstance(value, str):
                if not _leads_somewhere(root, value):
                    yield here, "a reference within this schema, such as '#/$defs/name'", shown(value)
            elif key not in _NOT_SCHEMAS:
                yield from _walk(value, root, here)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _walk(item, root, (*path, index))


def _leads_somewhere(root: Mapping[str, Any], reference: str) -> bool:
    from referencing import exceptions, jsonschema

    if not f"{reference}/".startswith("#/"):
        return False
    resolver = _no_registry().resolver_with_root(jsonschema.DRAFT202012.create_resource(root))
    try:
        return isinstance(resolver.lookup(reference).contents, Mapping | bool)
    except (exceptions.Unresolvable, ValueError, TypeError):
        return False


def _meta_sentence(error: Any) -> tuple[str, str]:
    if error.absolute_path and "type" in list(error.absolute_path)[-2:] and error.validator in ("anyOf", "enum"):
        hint = did_you_mean(error.instance, TYPES) if isinstance(error.instance, str) else ""
        return f"one of {', '.join(TYPES)}", f"{shown(error.instance)}{hint}"
    _, expected, got = next(iter(_sentences(error)))
    return expected, got


def _sentences(error: Any) -> list[_Sentence]:
    """*error* as (path below it, expected, got)."""
    limit, value = error.validator_value, error.instance
    if error.validator == "required" and isinstance(value, Mapping):
        # One error for each missing property; the message begins with its name.
        missing = [name for name in limit if name not in value and error.message.startswith(repr(name))]
        return [((name,), "a value", "nothing") for name in missing[:1]]
    if error.validator == "additionalProperties" and limit is False:
        known = list(error.schema.get("properties", {}))
        expected = f"one of {', '.join(known[:12])}{' …' if len(known) > 12 else ''}" if known else "no value"
        return [
            ((name,), expected, f"an unknown name{did_you_mean(name, known)}") for name in value if name not in known
        ]
    make = _EXPECTED.get(error.validator)
    if make is not None:
        return [((), make(limit), shown(value))]
    return [((), f"a value that fits {error.validator} {shown(limit)}", shown(value))]


def _type(limit: Any) -> str:
    names = [limit] if isinstance(limit, str) else limit
    return " or ".join(_WITH_ARTICLE.get(name, "a text") for name in names)


_WITH_ARTICLE = {"array": "a list", "boolean": "true or false", "integer": "an integer", "null": "null"}
_WITH_ARTICLE |= {"number": "a number", "object": "an object"}


_EXPECTED: dict[str, Callable[[Any], str]] = {
    "type": _type,
    "enum": lambda limit: f"one of {', '.join(map(shown, limit[:20]))}",
    "const": shown,
    "minimum": lambda limit: f"at least {limit}",
    "maximum": lambda limit: f"at most {limit}",
    "exclusiveMinimum": lambda limit: f"more than {limit}",
    "exclusiveMaximum": lambda limit: f"less than {limit}",
    "multipleOf": lambda limit: f"a multiple of {limit}",
    "minLength": lambda limit: f"at least {limit} characters",
    "maxLength": lambda limit: f"at most {limit} characters",
    "minItems": lambda limit: f"at least {limit} items",
    "maxItems": lambda limit: f"at most {limit} items",
    "minProperties": lambda limit: f"at least {limit} properties",
    "maxProperties": lambda limit: f"at most {limit} properties",
    "uniqueItems": lambda _: "items that differ",
    "pattern": lambda limit: f"text that matches {shown(limit)}",
}


def storable_fault(value: Any, root: str = "") -> Fault | None:
    """What keeps *value* from being stored, with its path below *root*; never the value itself."""
    level: list[tuple[Path, Any]] = [((), value)]
    for _ in range(DEEPEST + 1):
        inner: list[tuple[Path, Any]] = []
        for path, value in level:
            if isinstance(value, dict):
                inner += [((*path, key), part) for key, below in value.items() for part in (key, below)]
            elif isinstance(value, list):
                inner += [((*path, index), below) for index, below in enumerate(value)]
            elif problem := _problem(value):
                return Fault(legible(dotted(root, path)), *problem)
        if not inner:
            return None
        level = inner
    return Fault(root, f"JSON at most {DEEPEST} levels deep", "more")


def _problem(value: Any) -> tuple[str, str] | None:
    if isinstance(value, float) and not isfinite(value):
        return "numbers that JSON has and a double can hold", "another"
    if isinstance(value, str) and "\0" in value:
        return "text without NUL characters", "one"
    if isinstance(value, str) and not value.isascii() and value != value.encode(errors="ignore").decode():
        return "text that is Unicode", "half of a surrogate pair"
    return None
