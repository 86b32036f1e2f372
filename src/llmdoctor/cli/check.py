"""`llmdoctor check`: look and judge. No network, no writing, no import from the patient.

With `--deep` the patient's own Python imports its packages; what these cache goes to a temporary
folder that is gone afterwards. With `--network` the places that packages come from are asked.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import deliver, emit, put, ready, say
from llmdoctor.errors import LlmdoctorError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from llmdoctor.diagnose import Question
    from llmdoctor.finding import Report
    from llmdoctor.known import Baseline
    from llmdoctor.machine import Machine
    from llmdoctor.policy import Policy
    from llmdoctor.proof import Proof
    from llmdoctor.render.terminal import Paper

_FAILING: dict[str, tuple[str, ...]] = {
    "error": ("error",),
    "warning": ("error", "warning"),
    "never": (),
}
# What goes beyond a plain check, and why a saved look cannot have it.
_FURTHER = {
    "deep": "runs the environment's own Python",
    "network": "asks this machine's network",
}
_REPORT = ("--format", "--output", "--smoke")
_FOR_A_LOOK = (*_REPORT, "--from", "--deep", "--network", "--baseline", "--write-baseline")


def check(parser: Parser, words: Sequence[str]) -> int:
    """Say what is wrong on this machine, why, and what to type next."""
    parser.repeatable("--profile", "P", "Judge for this profile; repeatable.")
    parser.add_argument("--env", metavar="DIR", help="The environment to look at.")
    parser.add_argument("--python", metavar="EXE", help="The interpreter to look at.")
    parser.add_argument("--project", metavar="DIR", default=".", help="The project to look at.")
    parser.add_argument(
        "--from", dest="saved", metavar="FILE", help="Judge a saved look or a report (- stdin)."
    )
    parser.flag("--deep", text="Import the packages too, start CUDA, run a kernel on each GPU.")
    parser.flag("--network", text="Ask the indexes, GitHub and the Hub whether they answer, too.")
    parser.repeatable("--select", "CODE", "Only these checks (a prefix); repeatable.")
    parser.repeatable("--ignore", "CODE", "Not these checks (a prefix); repeatable.")
    parser.repeatable("--checks", "NAME", "Also these checks of another package; repeatable.")
    parser.choice(
        "--fail-on",
        tuple(_FAILING),
        "From where on the exit code is 1 (error, unless the project says otherwise).",
        optional=True,
    )
    parser.add_argument("--baseline", metavar="FILE", help="Leave out the findings that it holds.")
    parser.add_argument(
        "--write-baseline", metavar="FILE", help="Write what is found there, to be known."
    )
    parser.flag("--list", text="List the checks and exit.")
    parser.add_argument(
        "--smoke", metavar="FILE", help="A smoke report (JSON) to show in the html page."
    )
    parser.report()
    parser.examples(
        "llmdoctor check",
        "llmdoctor check --profile mainline --profile flashattn",
        "llmdoctor check --env ~/comfy/.venv --format json",
        "llmdoctor check --deep",
        "llmdoctor check --network --select NET",
        "python -m torch.utils.collect_env | llmdoctor check --from -",
        "llmdoctor check --format markdown --output report.md",
        "llmdoctor check --format junit --output llmdoctor.xml",
        "llmdoctor check --format html --smoke smoke.json --output report.html",
        "llmdoctor check --select TORCH --fail-on warning",
        "llmdoctor check --write-baseline known.json",
        "llmdoctor check --baseline known.json",
    )
    options = parser.read(words)

    if options.list:
        why = "--list writes plain lines, and looks at nothing"
        parser.refuse_unused(options, _FOR_A_LOOK, why, ["llmdoctor", "check", "--list"])
        return _list(options)

    _see_meant(options)
    if options.write_baseline:
        alone = ["llmdoctor", "check", "--write-baseline", options.write_baseline]
        why = "--write-baseline writes the baseline, and no report"
        parser.refuse_unused(options, _REPORT, why, alone)
        if options.write_baseline != "-":  # stdout, as elsewhere
            options.write_baseline = ready(options.write_baseline, "baseline")
    from llmdoctor import diagnose, tables
    from llmdoctor.render import documents, formats
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    system = ReadOnly(Local())
    policy = _policy(options)
    question = diagnose.Question(
        profiles=tuple(options.profile) or policy.profile,
        environment=options.env,
        python=options.python,
        project=options.project,
        snapshot=options.saved,
        select=tuple(options.select) or policy.select,
        ignore=tuple(options.ignore),
        plugins=tuple(options.checks) or policy.checks,
    )
    known = _baseline(options.baseline)
    proof = _proof(options)
    report = diagnose.diagnose(system, question, _further(options))
    report = _unknown(report, policy, known, options)
    failing = options.fail_on or policy.fail_on
    if options.write_baseline:
        return _code(report, failing, found=False)
    dates = tables.dates_read()

    def write(paper: Paper) -> None:
        from llmdoctor.render import terminal

        terminal.check(report, paper, verbose=options.verbose)
        terminal.ages(dates, system.now(), paper, verbose=options.verbose)

    def markdown() -> str:
        from llmdoctor import profiles
        from llmdoctor.probe.paths import absolute
        from llmdoctor.render import markdown

        wish = profiles.wish(question.profiles, absolute(system, question.project))
        return markdown.check(report, _again(question, system.home()), wish.wanted)

    emit(
        documents.check(report, dates),
        write,
        format=options.format,
        output=options.output,
        line=diagnose.one_line(report) if options.quiet else None,
        more={
            "markdown": markdown,
            **{name: partial(formats.check, name, report, proof) for name in formats.OF_A_CHECK},
        },
    )
    return _code(report, failing)


def _code(report: Report, failing: str, *, found: bool = True) -> int:
    """The exit code. A check that crashed has found nothing, and has not passed either."""
    if found and report.worst in _FAILING[failing]:
        return 1
    return 3 if report.crashed and failing != "never" else 0


def _list(options: Namespace) -> int:
    """Ours, those of other packages that were named, and what may be named; gives the exit code."""
    from llmdoctor import plugins
    from llmdoctor.checks import chosen

    others = plugins.load(options.checks or _named_by_policy(options))
    strict = not others.crashes
    for item in chosen(options.select, options.ignore, others.checks, strict=strict):
        origin = f" (of {others.origins[item.code]})" if item.code in others.origins else ""
        put(f"{item.code}  {item.severity:7}  {item.title}{origin}")
    for crash in others.crashes:
        put(f"{crash.code}  {crash.outcome:7}  {crash.reason}")
    for name, package in plugins.offered():
        put(f"--checks {name}  of {package}")
    return 3 if others.crashes else 0


def _named_by_policy(options: Namespace) -> Sequence[str]:
    """The checks of other packages that the project asks for.

    A policy that cannot be meant is told; whoever looks for the right code needs the list.
    """
    try:
        return _policy(options).checks
    except LlmdoctorError as error:
        say(f"llmdoctor: {error.message}")
        return ()


def _see_meant(options: Namespace) -> None:
    """See that nothing is asked of a saved look that only this machine can answer.

    Raises:
        UsageError: something is.
    """
    for name, does in _FURTHER.items():
        if getattr(options, name) and options.saved is not None:
            raise UsageError(
                f"--{name} {does}, and --from judges a look at another machine",
                next_command=f"llmdoctor check --{name}",
            )


def _further(options: Namespace) -> list[Callable[[Machine], Machine]]:
    """The looks that go beyond a plain check, as far as they were asked for."""
    tell = (lambda _: None) if options.quiet else say
    looks: list[Callable[[Machine], Machine]] = []
    if options.deep:
        looks.append(partial(_from_inside, project=options.project, tell=tell))
    if options.network:
        looks.append(partial(_at_the_network, options=options, tell=tell))
    return looks


def _policy(options: Namespace) -> Policy:
    """The project's policy. Of a look at another machine nothing is asked."""
    from llmdoctor import policy
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    if options.saved is not None:
        return policy.Policy()
    return policy.read(ReadOnly(Local()), options.project, options.checks)


def _baseline(path: str | None) -> Baseline | None:
    if path is None:
        return None
    from llmdoctor import known
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    return known.read(ReadOnly(Local()), path)


def _proof(options: Namespace) -> Proof | None:
    """The proof to show beside the findings.

    Raises:
        UsageError: the format does not show it, or the file is no smoke report.
    """
    if options.smoke is None:
        return None
    again = "llmdoctor smoke --format json --output smoke.json"
    if options.format != "html":
        raise UsageError(
            "--smoke is shown by --format html alone",
            next_command=f"llmdoctor check --format html --smoke {shlex.quote(options.smoke)}",
        )
    from llmdoctor import proof, saved
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly
    from llmdoctor.wire import WireError

    data = saved.document(
        ReadOnly(Local()), options.smoke, "--smoke", schema=proof.SCHEMA, next_command=again
    )
    try:
        return proof.of_document(data)
    except WireError as error:
        raise UsageError(f"--smoke {options.smoke}: {error}", next_command=again) from None


def _unknown(report: Report, policy: Policy, known: Baseline | None, options: Namespace) -> Report:
    """The report without what is known; says what of the baseline is no longer found.

    A baseline that is to be written holds what the one that was read holds, as far as it is found.
    """
    if not policy.ignore and known is None and not options.write_baseline:
        return report
    from llmdoctor.known import baseline, gone, without_baseline, without_ignored

    rest = without_ignored(report, policy.ignore)
    if options.write_baseline:
        file = options.write_baseline
        deliver(baseline(rest), None if file == "-" else file, "baseline")
        count = f"{len(rest.findings)} finding{'' if len(rest.findings) == 1 else 's'}"
        say(f"wrote the baseline of {count} to {'standard output' if file == '-' else file}")
    if known is None:
        return rest
    if not options.quiet and (past := gone(report, known)):
        codes = ", ".join(dict.fromkeys(entry.code for entry in past))
        say(f"no longer found, of the {len(known.findings)} in the baseline: {codes}")
    return without_baseline(rest, known)


def _again(question: Question, home: str) -> list[str]:
    """The command that judges a saved look as this one was judged; a profile may be a file."""
    from llmdoctor.redact import redact_path

    words = ["llmdoctor", "check"]
    for name in question.profiles:
        words += ["--profile", redact_path(name, home)]
    for code in question.select:
        words += ["--select", code]
    for code in question.ignore:
        words += ["--ignore", code]
    for name in question.plugins:
        words += ["--checks", name]
    return [*words, "--from", "FILE"]


def _from_inside(machine: Machine, *, project: str, tell: Callable[[str], None]) -> Machine:
    """The machine with a look from inside, which says what it is doing: imports take seconds."""
    from dataclasses import replace

    from llmdoctor.probe.closer import look_closer
    from llmdoctor.probe.deep import look_inside
    from llmdoctor.probe.paths import absolute
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    local = Local()
    system = ReadOnly(local)
    with local.scratch() as folder:
        seen = look_inside(system, machine.environment, absolute(system, project), folder, tell)
    return replace(look_closer(system, machine), deep=seen)


def _at_the_network(
    machine: Machine, *, options: Namespace, tell: Callable[[str], None]
) -> Machine:
    """The machine with what the places that packages come from answer."""
    from dataclasses import replace

    from llmdoctor.cli.requests import door, project_mirrors
    from llmdoctor.probe.network import look_at_network
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    places = look_at_network(ReadOnly(door(options), network=True), machine, tell)
    written = dict.fromkeys(project_mirrors(Local(), options.project), "[tool.llmdoctor.mirrors]")
    told = (replace(item, named_by=written.get(item.named_by, item.named_by)) for item in places)
    return replace(machine, network=tuple(told))
