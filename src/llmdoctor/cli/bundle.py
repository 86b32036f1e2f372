"""`llmdoctor bundle`: everything that a machine needs, in a folder."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import Progress, emit, say
from llmdoctor.cli.requests import declare_assume, declare_wish, door, read_wish
from llmdoctor.errors import LlmdoctorError

if TYPE_CHECKING:
    from llmdoctor.install import Made, Request
    from llmdoctor.render.terminal import Paper


def bundle(parser: Parser, words: Sequence[str]) -> int:
    """Bring all that a machine needs into a folder; `install --bundle` takes it from there."""
    parser.add_argument("folder", metavar="DIR", help="A new folder, or one to go on with.")
    declare_wish(parser)
    parser.add_argument("--python", metavar="X.Y", help="The Python that it is for.")
    declare_assume(parser)
    parser.report()
    parser.examples(
        "llmdoctor bundle --profile cpu ~/bundle",
        "llmdoctor bundle --profile flashattn --assume gpu=H100,driver=570.86,python=3.12 bundle",
        "llmdoctor install --bundle bundle",
    )
    options = parser.read(words)
    if options.assume and options.python:
        parser.error(f"of an assumed machine write --assume python={options.python}")

    from dataclasses import replace

    from llmdoctor import install as road
    from llmdoctor.addresses import without_credentials
    from llmdoctor.target import assume

    system = door(options)
    request = replace(read_wish(options), python=options.python)
    machine = assume(options.assume) if options.assume else road.here(system, request)
    progress = Progress(quiet=options.quiet)
    tell = (lambda _: None) if options.quiet else say
    try:
        made = road.bundle(system, request, machine, options.folder, tell, progress.bytes)
    except LlmdoctorError as error:
        progress.clear()
        if error.exit_code == 1:  # the same command goes on where this one ended
            again = ("llmdoctor", "bundle", *(without_credentials(word) for word in words))
            error.next_command = shlex.join(again)
            _incomplete(request, options, error.message)
        raise
    progress.clear()
    _report(made, request, options)
    return int(made.bundle is None)


def _incomplete(request: Request, options: Namespace, why: str) -> None:
    """Whoever reads JSON gets a document where files cannot be had, too."""
    if options.format != "json":
        return
    from llmdoctor import tables
    from llmdoctor.render import documents

    names = [profile.name for profile in request.profiles]
    planned = documents.unsolved(names, "", request.tool, why, tables.dates_read())
    document = documents.bundle(planned, "incomplete", options.folder, error=why)
    emit(document, lambda _: None, format="json", output=options.output)


def _report(made: Made, request: Request, options: Namespace) -> None:
    from llmdoctor import tables
    from llmdoctor.render import bundles, documents

    planned = documents.plan(made.plan, tables.dates_read())
    outcome = "not feasible" if made.bundle is None else "complete"
    names = " + ".join(made.plan.choice.profiles)
    asked = tuple(profile.name for profile in request.profiles)

    def write(paper: Paper) -> None:
        bundles.made(made, paper, asked, verbose=options.verbose)

    emit(
        documents.bundle(planned, outcome, options.folder, made),
        write,
        format=options.format,
        output=options.output,
        line=f"{outcome}: {names} in {options.folder}" if options.quiet else None,
    )
