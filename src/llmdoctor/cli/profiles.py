"""`llmdoctor profiles`: what can be installed, and whether it fits this machine."""

from __future__ import annotations

from collections.abc import Sequence

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import emit


def profiles(parser: Parser, words: Sequence[str]) -> int:
    """List every profile: fits this machine, or why not; or show one in full."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="This profile in full.")
    parser.report()
    parser.examples("llmdoctor profiles", "llmdoctor profiles flashattn")
    options = parser.read(words)

    from llmdoctor import profiles as catalogue
    from llmdoctor import tables
    from llmdoctor.install import fits
    from llmdoctor.render import catalogue as shown
    from llmdoctor.render import documents, terminal
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    wishes, broken = catalogue.one(options.name) if options.name else catalogue.every()
    system = ReadOnly(Local())
    rows = fits(system, wishes)
    fitting = [profile.name for profile, made in rows if made.choice.feasible]
    dates = tables.dates_read()

    def write(paper: terminal.Paper) -> None:
        if options.name:
            profile, made = rows[0]
            shown.one(profile, made, paper, spelled=options.name, verbose=options.verbose)
        else:
            shown.table(rows, paper, broken=broken, verbose=options.verbose)
        terminal.ages(dates, system.now(), paper, verbose=options.verbose)

    emit(
        documents.profiles(rows, dates, broken=broken, whole=options.name is not None),
        write,
        format=options.format,
        output=options.output,
        line=f"fits: {', '.join(fitting) or 'none'}" if options.quiet else None,
    )
    return 0
