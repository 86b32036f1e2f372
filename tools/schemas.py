# ruff: noqa: INP001 - a program, not a package
"""A JSON Schema for every document of the command line, from the words that they are made of.

    python tools/schemas.py

writes docs/reference/schemas. Keys are only ever added, so a schema lets others be.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from llmdoctor.explain import Named
from llmdoctor.finding import Finding, Outcome, Severity, Verdict
from llmdoctor.known import Baseline
from llmdoctor.machine import Machine
from llmdoctor.plan import Alternative, Conflict, Reason, Rejected, Target
from llmdoctor.profile import Origin, Profile, Promise
from llmdoctor.profiles import Broken
from llmdoctor.proof import SmokeRow
from llmdoctor.wire import _hints

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference" / "schemas"
TEXT, WHOLE, TRUTH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}
Schema = dict[str, Any]


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    """A list of that."""
    return {"type": "array", "items": schema}


def table(**keys: Schema) -> Schema:
    """An object that has these keys."""
    return {"type": "object", "required": list(keys), "properties": keys}


def mapped(schema: Schema) -> Schema:
    """An object whose every value is that."""
    return {"type": "object", "additionalProperties": schema}


def words(kind: object) -> Schema:
    """One of the words of a `Literal`."""
    return {"enum": list(typing.get_args(kind))}


def of(kind: Any) -> Schema:  # noqa: ANN401 - the shapes that `wire` knows
    """What `wire.dump` makes of a type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = _hints(typing.cast("type", kind))
        return table(**{field.name: of(hints[field.name]) for field in dataclasses.fields(kind)})
    if origin in (types.UnionType, typing.Union):
        kinds = [of(item) for item in inner if item is not type(None)]
        nothing = [{"type": "null"}] if type(None) in inner else []
        return {"anyOf": [*kinds, *nothing]}
    if origin is typing.Literal:
        return words(kind)
    if origin is tuple:
        return listed(of(inner[0]))
    if origin is dict:
        return mapped(of(inner[1]))
    return {"type": SCALARS[kind]} if kind in SCALARS else {}


def document(name: str, title: str, **keys: Schema) -> Schema:
    """A whole document."""
    head = {"schema": {"const": f"{name}/1"}, "llmdoctor": TEXT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **table(**head, **keys),
    }


def documents() -> dict[str, Schema]:
    """The schema of each document, by its name."""
    tables = mapped(TEXT)
    reasons = {
        "reasons": listed(of(Reason)),
        "rejected": listed(of(Rejected)),
        "alternatives": listed(of(Alternative)),
    }
    finding = of(Finding)
    package = table(
        name=TEXT, version=maybe(TEXT), source=TEXT, url=maybe(TEXT), sha256=maybe(TEXT),
        size=maybe(WHOLE), reason=maybe(TEXT),
    )  # fmt: skip
    step = table(kind=TEXT, text=TEXT)
    smoke = {
        "passed": TRUTH,
        "problem": maybe(TEXT),
        "asked": listed(TEXT),
        "rows": listed(of(SmokeRow)),
        "environment": {"type": "object"},
    }
    plan = {
        "feasible": TRUTH,
        "profiles": listed(TEXT),
        "target": maybe(of(Target)),
        "environment": TEXT,
        "installer": TEXT,
        "torch": table(version=maybe(TEXT), variant=maybe(TEXT), index=maybe(TEXT)),
        "source": maybe(TEXT),
        "packages": listed(package),
        "kept": WHOLE,
        "conflicts": listed(of(Conflict)),
        "steps": listed(step),
        "promises": listed(of(Promise)),
        **reasons,
        "tables": tables,
    }
    failure = {"error": maybe(TEXT), "log": maybe(TEXT), "cause": maybe(of(Named))}
    run = {"command": TEXT, "profiles": listed(TEXT), "subjects": listed(TEXT)}
    profile = table(
        name=TEXT, kind={"enum": ["stack", "addon"]}, title=TEXT, summary=TEXT, origin=of(Origin),
        fits=TRUTH, torch=maybe(TEXT), variant=maybe(TEXT), wheels=listed(TEXT),
        reason=maybe(TEXT), **{"with": listed(TEXT)}, **reasons, definition=maybe(of(Profile)),
    )  # fmt: skip
    counts = dict.fromkeys(typing.get_args(Severity), WHOLE)
    return {
        "check": document(
            "check", "What was seen and judged", profiles=listed(TEXT), machine=of(Machine),
            findings=listed(finding),
            verdicts=listed(
                table(
                    code=TEXT,
                    outcome=words(Outcome),
                    reason=of(_hints(Verdict)["reason"]),
                    origin=of(_hints(Verdict)["origin"]),
                )
            ),
            known=listed(table(code=TEXT, title=TEXT, reason=TEXT)),
            summary=table(
                **counts,
                worst=maybe(words(Severity)),
                crashed=listed(TEXT),
                can=listed(TEXT),
                cannot=listed(TEXT),
            ),
            tables=tables,
        ),
        "explain": document(
            "explain", "The causes that a log shows", causes=listed(of(Named)), lines=WHOLE,
            cut=TRUTH,
        ),
        "plan": document("plan", "What an install would do", **plan),
        "install": document(
            "install", "What came of an install", **plan, outcome=TEXT, run=maybe(TEXT),
            backup=maybe(TEXT), smoke=maybe(table(**smoke)), **failure,
        ),
        "write": document(
            "write", "What was written into a project", **plan, outcome=TEXT,
            project=maybe(TEXT), files=listed(TEXT), changes=listed(TEXT), moves=listed(TEXT),
            run=maybe(TEXT), **failure,
        ),
        "bundle": document(
            "bundle", "What was brought for a machine without a network",
            **{key: plan[key] for key in ("feasible", "profiles", "target", "torch", "source")},
            **reasons, tables=tables, outcome=TEXT, folder=TEXT,
            files=listed(
                table(name=TEXT, version=TEXT, file=TEXT, url=TEXT, sha256=TEXT, size=WHOLE)
            ),
            size=WHOLE, fetched=WHOLE, error=maybe(TEXT),
        ),
        "smoke": document("smoke", "The proof of an environment", **smoke),
        "profiles": document(
            "profiles", "Profiles and whether they fit", profiles=listed(profile),
            broken=listed(of(Broken)), tables=tables,
        ),
        "fix": document(
            "fix", "What came of a fix", environment=maybe(TEXT), project=maybe(TEXT),
            repairs=listed(
                table(
                    code=TEXT, finding=TEXT, safety={"enum": ["safe", "ask", "manual"]},
                    summary=TEXT, details=listed(TEXT), commands=listed(listed(TEXT)),
                    steps=listed(TEXT),
                )
            ),
            steps=listed(TEXT), outcome=TEXT, run=maybe(TEXT), backup=maybe(TEXT),
            **failure, left=listed(finding),
        ),
        "history": document(
            "history", "What was done on this machine",
            runs=listed(
                table(
                    id=TEXT, environment=maybe(TEXT), **run, started=maybe(TEXT),
                    outcome=maybe(TEXT), backup=maybe(TEXT),
                )
            ),
        ),
        "undo": document(
            "undo", "What came of taking a run back", run=TEXT, environment=maybe(TEXT),
            **{key: run[key] for key in run}, outcome=TEXT, error=maybe(TEXT),
        ),
        "baseline": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Findings that are known",
            **of(Baseline),
        },
    }  # fmt: skip


def files() -> dict[str, str]:
    """The text of each file."""
    return {
        f"{name}.json": json.dumps(schema, indent=1) + "\n" for name, schema in documents().items()
    }


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
