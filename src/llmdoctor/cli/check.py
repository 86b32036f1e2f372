"""`llmdoctor check`: look and judge. No network, no writing, no import from the patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import emit, put

if TYPE_CHECKING:
    from llmdoctor.render.terminal import Paper

_FAILING: dict[str, tuple[str, ...]] = {
    "error": ("error",),
    "warning": ("error", "warning"),
    "never": (),
}


def check(parser: Parser, words: Sequence[str]) -> int:
    """Say what is wrong on this machine, why, and what to type next."""
    parser.repeatable("--profile", "P", "Judge for this profile; repeatable.")
    parser.add_argument("--env", metavar="DIR", help="The environment to look at.")
    parser.add_argument("--python", metavar="EXE", help="The interpreter to look at.")
    parser.add_argument("--project", metavar="DIR", default=".", help="The project to look at.")
    parser.add_argument(
        "--from", dest="saved", metavar="FILE", help="Judge a saved look or a report (- stdin)."
    )
    parser.repeatable("--select", "CODE", "Only these checks (a prefix); repeatable.")
    parser.repeatable("--ignore", "CODE", "Not these checks (a prefix); repeatable.")
    parser.choice("--fail-on", tuple(_FAILING), "From where on the exit code is 1.")
    parser.flag("--list", text="List the checks and exit.")
    parser.report()
    parser.examples(
        "llmdoctor check",
        "llmdoctor check --profile mainline --profile flashattn",
        "llmdoctor check --env ~/comfy/.venv --format json",
        "python -m torch.utils.collect_env | llmdoctor check --from -",
        "llmdoctor check --select TORCH --fail-on warning",
    )
    options = parser.read(words)

    from llmdoctor import diagnose

    if options.list:
        for declared in diagnose.catalogue():
            put(f"{declared.code}  {declared.severity:7}  {declared.title}")
        return 0

    from llmdoctor import tables
    from llmdoctor.render import documents
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
    report = diagnose.diagnose(system, question)
    dates = tables.dates_read()

    def write(paper: Paper) -> None:
        from llmdoctor.render import terminal

        terminal.check(report, paper, verbose=options.verbose)
        terminal.ages(dates, system.now(), paper, verbose=options.verbose)

    emit(
        documents.check(report, dates),
        write,
        format=options.format,
        output=options.output,
        line=diagnose.one_line(report) if options.quiet else None,
    )
    return int(report.worst in _FAILING[options.fail_on])
