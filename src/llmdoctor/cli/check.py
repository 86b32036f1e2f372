"""`llmdoctor check`: look and judge. No network, no writing, no import from the patient.

With `--deep` the patient's own Python imports its packages; what these cache goes to a temporary
folder that is gone afterwards. With `--network` the places that packages come from are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import emit, put, say, summarise
from llmdoctor.errors import UsageError

if TYPE_CHECKING:
    from llmdoctor.diagnose import Question
    from llmdoctor.machine import Machine
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
# As in render.formats, which a help text need not import.
_FOR_PROGRAMS = ("junit", "sarif", "github", "gitlab")


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
    parser.choice("--fail-on", tuple(_FAILING), "From where on the exit code is 1.")
    parser.flag("--list", text="List the checks and exit.")
    parser.report(more=("markdown", *_FOR_PROGRAMS))
    parser.examples(
        "llmdoctor check",
        "llmdoctor check --profile mainline --profile flashattn",
        "llmdoctor check --env ~/comfy/.venv --format json",
        "llmdoctor check --deep",
        "llmdoctor check --network --select NET",
        "python -m torch.utils.collect_env | llmdoctor check --from -",
        "llmdoctor check --format markdown --output report.md",
        "llmdoctor check --format junit --output llmdoctor.xml",
        "llmdoctor check --select TORCH --fail-on warning",
    )
    options = parser.read(words)

    from llmdoctor import diagnose

    if options.list:
        for declared in diagnose.catalogue(options.select, options.ignore):
            put(f"{declared.code}  {declared.severity:7}  {declared.title}")
        return 0

    for name, does in _FURTHER.items():
        if getattr(options, name) and options.saved is not None:
            raise UsageError(
                f"--{name} {does}, and --from judges a look at another machine",
                next_command=f"llmdoctor check --{name}",
            )
    from llmdoctor import tables
    from llmdoctor.render import documents, formats
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    question = diagnose.Question(
        profiles=tuple(options.profile),
        environment=options.env,
        python=options.python,
        project=options.project,
        snapshot=options.saved,
        select=tuple(options.select),
        ignore=tuple(options.ignore),
    )
    system = ReadOnly(Local())
    tell = (lambda _: None) if options.quiet else say
    further: list[Callable[[Machine], Machine]] = []
    if options.deep:
        further.append(partial(_from_inside, project=question.project, tell=tell))
    if options.network:
        further.append(partial(_at_the_network, tell=tell))
    report = diagnose.diagnose(system, question, further)
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
            **{name: partial(formats.check, name, report) for name in _FOR_PROGRAMS},
        },
    )
    if options.format == "github":
        summarise(markdown)
    return int(report.worst in _FAILING[options.fail_on])


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
    return [*words, "--from", "FILE"]


def _from_inside(machine: Machine, *, project: str, tell: Callable[[str], None]) -> Machine:
    """The machine with a look from inside, which says what it is doing: imports take seconds."""
    from dataclasses import replace

    from llmdoctor.probe.deep import look_inside
    from llmdoctor.probe.paths import absolute
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    local = Local()
    system = ReadOnly(local)
    with local.scratch() as folder:
        seen = look_inside(system, machine.environment, absolute(system, project), folder, tell)
    return replace(machine, deep=seen)


def _at_the_network(machine: Machine, *, tell: Callable[[str], None]) -> Machine:
    """The machine with what the places that packages come from answer."""
    from dataclasses import replace

    from llmdoctor.probe.network import look_at_network
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    return replace(machine, network=look_at_network(ReadOnly(Local(), network=True), machine, tell))
