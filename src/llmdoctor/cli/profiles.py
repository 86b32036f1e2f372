"""`llmdoctor profiles`: what can be installed, and whether it fits this machine."""

from __future__ import annotations

from collections.abc import Sequence

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import emit


def profiles(parser: Parser, words: Sequence[str]) -> int:
    """List every profile: fits this machine, or why not."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="Only this profile.")
    parser.report()
    parser.examples("llmdoctor profiles", "llmdoctor profiles flashattn")
    options = parser.read(words)

    from llmdoctor import profiles as catalogue
    from llmdoctor.install import fits
    from llmdoctor.render import documents, terminal
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    wanted = [catalogue.find(options.name)] if options.name else [*catalogue.builtin().values()]
    rows = fits(ReadOnly(Local()), wanted)
    fitting = [profile.name for profile, made in rows if made.choice.feasible]
    emit(
        documents.profiles(rows),
        lambda paper: terminal.profiles(rows, paper, verbose=options.verbose),
        format=options.format,
        output=options.output,
        line=f"fits: {', '.join(fitting) or 'none'}" if options.quiet else None,
    )
    return 0
