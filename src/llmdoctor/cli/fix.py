"""`llmdoctor fix`: repair lock, keyring and environment trouble, with undo."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.failures import carry_out
from llmdoctor.cli.output import advise, afterwards, ask, emit, say
from llmdoctor.errors import UsageError

if TYPE_CHECKING:
    from llmdoctor.diagnose import Question
    from llmdoctor.finding import Finding
    from llmdoctor.fix import FixPlan
    from llmdoctor.render.terminal import Paper
    from llmdoctor.system import System


def fix(parser: Parser, words: Sequence[str]) -> int:
    """Repair what `check` finds, as far as that can be taken back; say what is left."""
    parser.repeatable("--profile", "P", "Judge for this profile; repeatable.")
    parser.add_argument("--env", metavar="DIR", help="The environment to repair.")
    parser.add_argument("--project", metavar="DIR", default=".", help="The project to repair.")
    parser.repeatable("--select", "CODE", "Only these findings (a prefix); repeatable.")
    parser.repeatable("--ignore", "CODE", "Not these findings (a prefix); repeatable.")
    parser.choice(
        "--keyring", ("local", "global", "run"), "For whom Poetry's keyring is switched off."
    )
    parser.add_argument("--plan-out", metavar="FILE", help="Write the plan there, do nothing.")
    parser.add_argument("--plan", metavar="FILE", help="Carry out exactly this reviewed plan.")
    parser.flag("--yes", "-y", text="Do not ask.")
    parser.report()
    parser.examples(
        "llmdoctor fix",
        "llmdoctor fix --select LOCK --yes",
        "llmdoctor fix --plan-out fix.json && llmdoctor fix --plan fix.json --yes",
        "llmdoctor undo",
    )
    options = parser.read(words)
    if options.plan and options.plan_out:
        raise UsageError("--plan carries a plan out, --plan-out only writes one: give one of them")
    if options.plan:
        why = "--plan carries out what was reviewed"
        again = ["llmdoctor", "fix", "--plan", options.plan]
        parser.refuse_unused(options, ("--keyring", "--env", "--project"), why, again)

    from llmdoctor import fix as repairs
    from llmdoctor import install as road
    from llmdoctor.cli.requests import project_mirrors
    from llmdoctor.system.local import Local

    here = Local()
    reviewed = repairs.read_plan(here, options.plan) if options.plan else None
    project = reviewed.project if reviewed else options.project
    system = Local({**here.environ, **project_mirrors(here, project)})
    question = _question(system, options, project)
    place = reviewed.environment if reviewed else repairs.place(system, question)
    with road.hold(system, place):
        for entry in road.recover_cut_off(system, place):
            say(f"run {entry.id} had been cut off; what it changed is as it was ({entry.outcome})")
        tell = (lambda _: None) if options.quiet else say
        made = (
            repairs.read_plan(system, options.plan)
            if reviewed
            else repairs.prepare(system, question, options.keyring, tell)
        )
        if options.plan_out:
            repairs.write_plan(system, made, options.plan_out)
            advise(shlex.join(["llmdoctor", "fix", "--plan", options.plan_out]))
            _report(made, options, "planned")
            return 0
        return _carry_out(system, made, question, options)


def _question(system: System, options: Namespace, project: str) -> Question:
    """What is to be repaired. What the project's policy accepts is not, unless it is named.

    Raises:
        ProfileError: the policy cannot be meant.
    """
    from llmdoctor import policy
    from llmdoctor.checks import CHECKS
    from llmdoctor.diagnose import Question
    from llmdoctor.system.readonly import ReadOnly

    rules = () if options.select else policy.read(ReadOnly(system), project).ignore
    ours = tuple(check.code for check in CHECKS)  # a rule can be about another package's check
    accepted = (rule.code.upper() for rule in rules)
    return Question(
        profiles=tuple(options.profile),
        environment=options.env,
        project=options.project,
        select=tuple(options.select),
        ignore=(*options.ignore, *(it for it in accepted if any(c.startswith(it) for c in ours))),
    )


def _carry_out(system: System, made: FixPlan, question: Question, options: Namespace) -> int:
    """Show the plan, ask, carry it out, look again; gives the exit code."""
    if not made.steps:
        _report(made, options, "nothing to repair")
        return int(bool(made.left))
    if options.format == "terminal" and not options.quiet:
        _report(made, options, "planned", to_stdout=True)
    if not ask(f"carry out {len(made.mends)} repairs?", options):
        if options.format != "terminal":
            _report(made, options, "declined")
        return 1

    def failed(outcome: str, **failure: Any) -> None:  # noqa: ANN401 - error, log, cause
        if options.format != "terminal" or options.quiet:
            _report(made, options, outcome, run=made.run, **failure)

    done = carry_out(system, made, made.run, failed, quiet=options.quiet)
    left = _left(system, made, question)
    afterwards(lambda: _report(made, options, "kept", run=made.run, backup=done.backup, left=left))
    return int(any(item.severity == "error" for item in left))


def _left(system: System, made: FixPlan, question: Question) -> list[Finding]:
    """What a look finds afterwards."""
    from dataclasses import replace

    from llmdoctor.diagnose import judge_closely
    from llmdoctor.system.readonly import ReadOnly

    there = system.kind(made.environment) is not None
    asked = replace(question, environment=made.environment if there else None, project=made.project)
    _, verdicts = judge_closely(ReadOnly(system), asked)
    found = [item for verdict in verdicts for item in verdict.findings]
    return [item for item in found if item.severity != "note"]


def _report(
    made: FixPlan,
    options: Namespace,
    outcome: str,
    *,
    to_stdout: bool = False,
    run: str | None = None,
    backup: str | None = None,
    left: Sequence[Finding] = (),
    **failure: Any,  # noqa: ANN401 - error, log, cause: three types
) -> None:
    from llmdoctor.render import documents, fixes

    def write(paper: Paper) -> None:
        if outcome == "kept" and options.format != "terminal":  # there the plan was shown before
            fixes.fix(made, paper, "planned", run=None, backup=None, left=(), verbose=True)
        fixes.fix(made, paper, outcome, run=run, backup=backup, left=left, verbose=options.verbose)
        if options.format != "terminal" and (error := failure.get("error")):
            paper.line(error)

    emit(
        documents.fix(made, outcome, run=run, backup=backup, left=left, **failure),
        write,
        format=options.format,
        output=None if to_stdout else options.output,
        line=fixes.one_line(made, outcome) if options.quiet else None,
    )
