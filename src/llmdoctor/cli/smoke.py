"""`llmdoctor smoke`: prove an environment that exists."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from functools import partial

from llmdoctor.cli.arguments import Parser, nearest
from llmdoctor.cli.output import Progress, emit, say
from llmdoctor.errors import UsageError


def smoke(parser: Parser, words: Sequence[str]) -> int:
    """Run every attention backend, forward and backward, and check the numbers."""
    parser.add_argument("--env", metavar="DIR", default=".venv", help="The environment to prove.")
    parser.add_argument("--python", metavar="EXE", help="The interpreter to prove.")
    parser.repeatable("--only", "GLOB", "Rows by backend/kernel/mode/dtype; repeatable.")
    parser.report()
    parser.examples(
        "llmdoctor smoke",
        "llmdoctor smoke --env ~/lora/.venv --only 'sdpa/*/lora/*'",
        "llmdoctor smoke --format junit --output proof.xml",
    )
    options = parser.read(words)

    from llmdoctor.probe import Subject, look
    from llmdoctor.render import documents, formats
    from llmdoctor.render import proof as shown
    from llmdoctor.smoke import prove, row_names
    from llmdoctor.system.local import Local

    system = Local()
    env = None if options.python else options.env
    subject = Subject(environment=env, python=options.python, project=system.cwd())
    environment = look(system, subject).environment
    if environment.executable is None or environment.kind in ("missing", "broken"):
        raise UsageError(
            f"{options.python or env}: {environment.problem or 'there is no environment'}",
            next_command=f"llmdoctor install --profile cpu --env {options.env}",
        )
    if options.only:
        _known(options, row_names(system, environment.executable))
    if not options.quiet:
        say(f"proving {environment.executable}")
    progress = Progress(quiet=options.quiet)
    proof = prove(
        system,
        environment.executable,
        tuple(options.only),
        tell=lambda beat: progress.line(str(beat), passing=beat.passing),
    )
    progress.clear()
    verdict = f"not proven: {proof.problem or 'rows failed'}"
    if proof.passed:
        verdict = shown.proven(proof)
    emit(
        documents.smoke(proof),
        lambda paper: shown.smoke(proof, paper, verbose=options.verbose),
        format=options.format,
        output=options.output,
        line=verdict if options.quiet else None,
        more={name: partial(formats.smoke, name, proof) for name in formats.OF_A_PROOF},
    )
    if proof.problem and not options.quiet:
        place = environment.path or options.env
        say(f"next: {shlex.join(['llmdoctor', 'install', '--profile', 'cpu', '--env', place])}")
    return int(not proof.passed)


def _known(options: Namespace, rows: Sequence[str]) -> None:
    """Every --only has to mean a row; where none could be listed, the proof says why.

    Raises:
        UsageError: one means none.
    """
    from fnmatch import fnmatchcase

    for glob in options.only if rows else ():
        if not any(fnmatchcase(row, glob) for row in rows):
            place = ["--python", options.python] if options.python else ["--env", options.env]
            some = f"{rows[0].partition('/')[0]}/*"
            raise UsageError(
                f"--only {glob}: there is no such row{nearest(glob, rows)} "
                f"(there are {', '.join(rows[:3])} and {len(rows) - 3} more)",
                next_command=shlex.join(["llmdoctor", "smoke", *place, "--only", some]),
            )
