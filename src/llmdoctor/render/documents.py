"""The JSON documents of the contract, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmdoctor import __version__, wire

if TYPE_CHECKING:  # a check's document needs none of the others' words
    from llmdoctor.explain import Explanation
    from llmdoctor.finding import Finding, Report
    from llmdoctor.fix import FixPlan
    from llmdoctor.install import Made
    from llmdoctor.journal import Entry
    from llmdoctor.plan import Plan, Requirement, Source, Step
    from llmdoctor.profile import Profile
    from llmdoctor.profiles import Broken
    from llmdoctor.proof import Proof
    from llmdoctor.prune import Backup

Document = dict[str, Any]


def _head(name: str) -> Document:
    return {"schema": f"{name}/1", "llmdoctor": __version__}


def check(report: Report, tables: Mapping[str, str]) -> Document:
    """A whole check; `tables` are those it rests on, with their dates."""
    return {
        **_head("check"),
        "profiles": list(report.profiles),
        "machine": wire.dump(report.machine),
        "findings": [finding(item) for item in report.findings],
        "verdicts": [
            {name: getattr(verdict, name) for name in ("code", "outcome", "reason", "origin")}
            for verdict in report.verdicts
        ],
        "known": [
            {"code": item.finding.code, "title": item.finding.title, "reason": item.reason}
            for item in report.known
        ],
        "summary": {
            "error": report.count("error"),
            "warning": report.count("warning"),
            "note": report.count("note"),
            "worst": report.worst,
            "crashed": list(report.crashed),
            "can": list(report.can),
            "cannot": list(report.cannot),
        },
        "tables": dict(tables),
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


def plan(plan: Plan, tables: Mapping[str, str], blocked: Sequence[Finding] = ()) -> Document:
    """A plan; `tables` are those it rests on, with their dates."""
    from llmdoctor.addresses import without_credentials

    choice = plan.choice
    url = plan.source.url if plan.source else None
    index = without_credentials(url) if url else None
    return {
        **_head("plan"),
        "feasible": choice.feasible and not blocked,
        "profiles": list(choice.profiles),
        "target": wire.dump(choice.target),
        "environment": plan.environment,
        "installer": plan.installer,
        "torch": {"version": choice.torch, "variant": choice.variant, "index": index},
        "source": plan.source.text if plan.source else None,
        "packages": packages(plan),
        "kept": plan.kept,
        "removals": wire.dump(plan.removals),
        "conflicts": [wire.dump(conflict) for conflict in plan.conflicts],
        "steps": [step(item) for item in plan.steps],
        "promises": wire.dump(choice.promises),
        "reasons": [
            *({"code": item.code, "cause": item.cause, "text": item.title} for item in blocked),
            *wire.dump(choice.reasons),
        ],
        "rejected": wire.dump(choice.rejected),
        "alternatives": wire.dump(choice.alternatives),
        "tables": dict(tables),
    }


def unsolved(
    profiles: Sequence[str],
    environment: str,
    installer: str,
    why: str,
    tables: Mapping[str, str],
) -> Document:
    """A plan that could not be made: there is no set of packages that meets the requirements."""
    from llmdoctor.plan import Choice, Plan, Reason, Target

    reasons = (Reason("no-solution", why),)
    choice = Choice(tuple(profiles), Target(), feasible=False, reasons=reasons)
    return {**plan(Plan(choice, environment, installer), tables), "target": None}


def packages(plan: Plan) -> list[Document]:
    """The packages that change, or the requirements where no index was asked.

    What is not known is None: an index need not tell sizes, and a catalogue knows no hashes.
    """
    from llmdoctor.addresses import without_credentials

    wanted = {item.name: item for item in plan.choice.requirements}
    if not plan.complete:
        return [_wanted(requirement, plan.source) for requirement in wanted.values()]
    rows = []
    for change in plan.changes:
        package, asked = change.package, wanted.get(change.package.name)
        url = without_credentials(package.url) if package.url else None
        why = (asked.reason or None) if asked else None
        rows.append({**wire.dump(package), "url": url, "before": change.before, "reason": why})
    return rows


def _wanted(requirement: Requirement, source: Source | None) -> Document:
    from llmdoctor.addresses import file_name, without_credentials
    from llmdoctor.plan import pinned

    url = without_credentials(requirement.url) if requirement.url else None
    text = f"{requirement.name} @ {url}" if url else pinned(requirement, source)
    version: str | None = text.removeprefix(f"{requirement.name}==")
    if url:  # a wheel's file name holds its version
        version = file_name(url).split("-")[1]
    elif version == text or not set("*,<>!~").isdisjoint(text):
        version = None
    return {
        "name": requirement.name,
        "version": version,
        "requirement": text,
        "source": "wheel" if requirement.source == "wheel" else "index",
        "url": url,
        "sha256": None,
        "size": None,
        "reason": requirement.reason or None,
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
    nothing = dict.fromkeys(("run", "backup", "smoke", "error", "log", "cause"))
    return {**document, **_head("install"), "outcome": outcome, **nothing, **more}


def bundle(
    document: Mapping[str, Any],
    outcome: str,
    folder: str,
    made: Made | None = None,
    error: str | None = None,
) -> Document:
    """A bundle (complete, not feasible, incomplete): what its plan's document says, and its files.

    `fetched` says how many of the files had to come: the others lay there already.
    """
    from llmdoctor.addresses import without_credentials

    plan_alone = ("environment", "installer", "packages", "kept", "removals", "conflicts", "steps")
    files = made.bundle.packages if made and made.bundle else ()
    return {
        **{key: value for key, value in document.items() if key not in plan_alone},
        **_head("bundle"),
        "outcome": outcome,
        "folder": folder,
        "files": [
            {
                "name": item.name,
                "version": item.version,
                "file": item.file,
                "url": without_credentials(str(item.url)),
                "sha256": item.sha256,
                "size": item.size,
            }
            for item in files
        ],
        "size": sum(item.size or 0 for item in files),
        "fetched": made.came if made else 0,
        "error": error,
    }


def smoke(proof: Proof) -> Document:
    """A proof."""
    return {
        **_head("smoke"),
        "passed": proof.passed,
        "problem": proof.problem,
        "asked": list(proof.asked),
        "rows": [wire.dump(row) for row in proof.rows],
        "environment": proof.environment,
    }


def profiles(
    rows: Sequence[tuple[Profile, Plan]],
    tables: Mapping[str, str],
    *,
    broken: Sequence[Broken] = (),
    whole: bool,
) -> Document:
    """Profiles with their plan on a machine; `whole` with everything that is written in them."""
    from llmdoctor.render.catalogue import decisive, wheels

    return {
        **_head("profiles"),
        "profiles": [
            {
                "name": profile.name,
                "kind": profile.kind,
                "title": profile.title,
                "summary": profile.summary,
                "origin": wire.dump(profile.origin),
                "fits": made.choice.feasible,
                "with": list(made.choice.profiles),
                "torch": made.choice.torch,
                "variant": made.choice.variant,
                "wheels": [url for _, url in wheels(made.choice)],
                "reason": None if made.choice.feasible else decisive(made.choice).text,
                "reasons": wire.dump(made.choice.reasons),
                "rejected": wire.dump(made.choice.rejected),
                "alternatives": wire.dump(made.choice.alternatives),
                "definition": wire.dump(profile) if whole else None,
            }
            for profile, made in rows
        ],
        "broken": wire.dump(broken),
        "tables": dict(tables),
    }


def history(entries: Sequence[Entry], backups: Mapping[str, str]) -> Document:
    """Runs, newest first; `backups` says where a run's former environment lies."""
    return {
        **_head("history"),
        "runs": [
            {
                "id": entry.id,
                "environment": entry.environment,
                "command": entry.command,
                "profiles": list(entry.subjects) if entry.command == "install" else [],
                "subjects": list(entry.subjects),
                "started": entry.started,
                "outcome": entry.outcome,
                "backup": backups.get(entry.id),
            }
            for entry in entries
        ],
    }


def prune(backups: Sequence[Backup], outcome: str) -> Document:
    """Former environments that were removed, or (declined) would be."""
    return {
        **_head("prune"),
        "outcome": outcome,
        "backups": wire.dump(backups),
        "frees": sum(item.frees for item in backups),
    }


def undo(entry: Entry, outcome: str, error: str | None = None) -> Document:
    """What came of taking a run back: undone, declined or incomplete."""
    return {
        **_head("undo"),
        "run": entry.id,
        "environment": entry.environment,
        "command": entry.command,
        "profiles": list(entry.subjects) if entry.command == "install" else [],
        "subjects": list(entry.subjects),
        "outcome": outcome,
        "error": error,
    }


def fix(
    made: FixPlan,
    outcome: str,
    *,
    run: str | None = None,
    backup: str | None = None,
    error: str | None = None,
    log: str | None = None,
    cause: Document | None = None,
    left: Sequence[Finding] = (),
) -> Document:
    """A fix: its repairs, and what came of them.

    outcome: planned, declined, nothing to repair, kept, restored, interrupted or incomplete. `left`
    is what a look finds afterwards. What files will hold stays out: that can be secret.
    """
    return {
        **_head("fix"),
        "environment": made.environment,
        "project": made.project,
        "repairs": [
            {
                "code": repair.code,
                "finding": repair.finding,
                "safety": repair.safety,
                "summary": repair.summary,
                "details": list(repair.details),
                "commands": [list(argv) for argv in repair.commands],
                "steps": [item.text for item in repair.steps],
            }
            for repair in made.repairs
        ],
        "steps": [item.text for item in made.steps],
        "outcome": outcome,
        "run": run,
        "backup": backup,
        "error": error,
        "log": log,
        "cause": cause,
        "left": [finding(item) for item in left],
    }
