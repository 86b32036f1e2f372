"""The JSON documents of the contract, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmdoctor import __version__, wire

if TYPE_CHECKING:  # a check's document needs none of the others' words
    from llmdoctor.explain import Explanation
    from llmdoctor.finding import Finding, Report
    from llmdoctor.journal import Entry
    from llmdoctor.plan import Plan, Requirement, Source, Step
    from llmdoctor.profile import Profile
    from llmdoctor.proof import Proof

Document = dict[str, Any]


def _head(name: str) -> Document:
    return {"schema": f"{name}/1", "llmdoctor": __version__}


def check(report: Report) -> Document:
    """A whole check."""
    return {
        **_head("check"),
        "profiles": list(report.profiles),
        "machine": wire.dump(report.machine),
        "findings": [finding(item) for item in report.findings],
        "verdicts": [
            {"code": verdict.code, "outcome": verdict.outcome, "reason": verdict.reason}
            for verdict in report.verdicts
        ],
        "summary": {
            "error": report.count("error"),
            "warning": report.count("warning"),
            "note": report.count("note"),
            "worst": report.worst,
            "can": list(report.can),
            "cannot": list(report.cannot),
        },
    }


def explain(found: Explanation) -> Document:
    """The causes that a log shows."""
    return {
        **_head("explain"),
        "causes": [wire.dump(named) for named in found.causes],
        "lines": found.lines,
        "cut": found.cut,
    }


def finding(item: Finding) -> Document:
    """One finding."""
    return wire.dump(item)  # type: ignore[no-any-return]


def plan(plan: Plan, blocked: Sequence[Finding] = ()) -> Document:
    """A plan. `packages` are the changes, or the requirements where nothing was resolved."""
    from llmdoctor.pip_config import without_credentials

    choice = plan.choice
    url = plan.source.url if plan.source else None
    index = without_credentials(url) if url else None
    if plan.changes or plan.steps:
        packages = [
            {**wire.dump(change.package), "before": change.before} for change in plan.changes
        ]
    else:
        packages = [_wanted(requirement, plan.source) for requirement in choice.requirements]
    return {
        **_head("plan"),
        "feasible": choice.feasible and not blocked,
        "profiles": list(choice.profiles),
        "target": wire.dump(choice.target),
        "environment": plan.environment,
        "installer": plan.installer,
        "torch": {"version": choice.torch, "variant": choice.variant, "index": index},
        "source": plan.source.text if plan.source else None,
        "packages": packages,
        "kept": plan.kept,
        "conflicts": [wire.dump(conflict) for conflict in plan.conflicts],
        "steps": [step(item) for item in plan.steps],
        "reasons": [
            *({"code": item.code, "cause": item.cause, "text": item.title} for item in blocked),
            *wire.dump(choice.reasons),
        ],
        "rejected": wire.dump(choice.rejected),
        "alternatives": wire.dump(choice.alternatives),
    }


def unsolved(profiles: Sequence[str], environment: str, installer: str, why: str) -> Document:
    """A plan that could not be made: there is no set of packages that meets the requirements."""
    from llmdoctor.plan import Choice, Plan, Reason, Target

    reasons = (Reason("no-solution", why),)
    choice = Choice(tuple(profiles), Target(), feasible=False, reasons=reasons)
    return {**plan(Plan(choice, environment, installer)), "target": None}


def _wanted(requirement: Requirement, source: Source | None) -> Document:
    from llmdoctor.plan import pinned

    text = pinned(requirement, source)
    _, equals, version = text.partition("==")
    return {
        "name": requirement.name,
        "version": version if equals and requirement.source != "wheel" else None,
        "requirement": text,
        "source": "wheel" if requirement.source == "wheel" else "index",
        "url": requirement.url,
        "sha256": None,
        "size": None,
    }


def step(item: Step) -> Document:
    """A step; values of variables stay out, since they may carry credentials."""
    data: Document = wire.dump(item)
    if "env" in data:
        data["env"] = {
            name: None if value is None else "set" for name, value in data["env"].items()
        }
    return data


def install(document: Mapping[str, Any], outcome: str, **more: object) -> Document:
    """An install: its plan's document, and what came of it."""
    nothing = dict.fromkeys(("run", "backup", "smoke", "error"))
    return {**document, **_head("install"), "outcome": outcome, **nothing, **more}


def smoke(proof: Proof) -> Document:
    """A proof."""
    return {
        **_head("smoke"),
        "passed": proof.passed,
        "problem": proof.problem,
        "rows": [wire.dump(row) for row in proof.rows],
        "environment": proof.environment,
    }


def profiles(rows: Sequence[tuple[Profile, Plan]]) -> Document:
    """Profiles with their plan on a machine."""
    return {
        **_head("profiles"),
        "profiles": [
            {
                "name": profile.name,
                "kind": profile.kind,
                "title": profile.title,
                "summary": profile.summary,
                "fits": made.choice.feasible,
                "torch": made.choice.torch,
                "variant": made.choice.variant,
                "reasons": wire.dump(made.choice.reasons),
            }
            for profile, made in rows
        ],
    }


def history(entries: Sequence[Entry], backups: Mapping[str, str]) -> Document:
    """Runs, newest first; `backups` says where a run's former environment lies."""
    return {
        **_head("history"),
        "runs": [
            {
                "id": entry.id,
                "environment": entry.environment,
                "profiles": list(entry.profiles),
                "started": entry.started,
                "outcome": entry.outcome,
                "backup": backups.get(entry.id),
            }
            for entry in entries
        ],
    }


def undo(entry: Entry, outcome: str, error: str | None = None) -> Document:
    """What came of taking a run back: undone, declined or incomplete."""
    return {
        **_head("undo"),
        "run": entry.id,
        "environment": entry.environment,
        "profiles": list(entry.profiles),
        "outcome": outcome,
        "error": error,
    }
