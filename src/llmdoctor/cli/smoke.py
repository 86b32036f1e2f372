"""`llmdoctor smoke`: prove an environment that exists."""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import Progress, advise, emit, put, say
from llmdoctor.errors import UsageError, nearest

if TYPE_CHECKING:
    from llmdoctor.machine import Environment
    from llmdoctor.system import System

OLDEST = (3, 8)  # what `inside/smoke` is written in


def smoke(parser: Parser, words: Sequence[str]) -> int:
    """Run every attention backend, forward and backward, and check the numbers."""
    parser.add_argument("--env", metavar="DIR", default=".venv", help="The environment to prove.")
    parser.add_argument("--python", metavar="EXE", help="The interpreter to prove.")
    parser.add_argument(
        "--device",
        metavar="cpu|cuda:N",
        help="Prove this device alone; by default the processor and then every GPU.",
    )
    parser.repeatable("--backend", "NAME", "A backend's rows alone; repeatable.")
    parser.repeatable("--only", "GLOB", "Rows by backend/kernel/mode/dtype; repeatable.")
    parser.flag("--full", text="Also the rows that compile, or take long in another way.")
    parser.flag("--list", text="List the rows and exit.")
    parser.report()
    parser.examples(
        "llmdoctor smoke",
        "llmdoctor smoke --env ~/lora/.venv --only 'sdpa/*/lora/*'",
        "llmdoctor smoke --device cuda:1 --backend flash_attention_2",
        "llmdoctor smoke --list --full",
        "llmdoctor smoke --format junit --output proof.xml",
    )
    options = parser.read(words)
    if options.list:
        why = "--list writes plain lines, and proves nothing"
        unused = ("--format", "--output")
        parser.refuse_unused(options, unused, why, ["llmdoctor", "smoke", "--list"])
    if options.device and not re.fullmatch(r"cpu|cuda:\d+", options.device):
        parser.error(f"--device {options.device!r} is neither cpu nor cuda:N")

    from llmdoctor.probe import Subject, look
    from llmdoctor.render import documents, formats
    from llmdoctor.render import proof as shown
    from llmdoctor.smoke import prove, row_names
    from llmdoctor.system.local import Local
    from llmdoctor.tables.read import numbers

    system = Local()
    env = None if options.python else options.env
    subject = Subject(environment=env, python=options.python, project=system.cwd())
    environment = look(system, subject).environment
    if environment.executable is None or environment.kind in ("missing", "broken"):
        raise UsageError(
            f"{options.python or env}: {environment.problem or 'there is no environment'}",
            next_command=_mended(system, options, environment),
        )
    if environment.version and numbers(environment.version.rstrip("t")) < OLDEST:
        raise UsageError(
            f"{environment.executable} is Python {environment.version}; the smoke test needs "
            f"{'.'.join(map(str, OLDEST))} or newer",
            next_command=_mended(system, options, environment, anew=True),
        )
    if options.only or options.backend or options.list:
        listed = _asked(options, partial(row_names, system, environment.executable))
    if options.list:
        put("\n".join(listed))
        return 0
    if not options.quiet:
        say(f"proving {environment.executable}")
    progress = Progress(quiet=options.quiet)
    proof = prove(
        system,
        environment.executable,
        tuple(options.only),
        backends=tuple(options.backend),
        full=options.full,
        device=options.device,
        tell=lambda beat: progress.line(str(beat), passing=beat.passing),
    )
    progress.clear()
    proof = replace(proof, asked=_narrowed(options))
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
        gpu = options.device not in (None, "cpu")  # which a stack for the processor will not mend
        advise(_look(options) if gpu else _mended(system, options, environment))
    return int(not proof.passed)


def _mended(
    system: System, options: Namespace, environment: Environment, *, anew: bool = False
) -> str:
    """What to type where nothing can be proven: an install into the environment that was meant.

    One that is broken is built anew. Or `anew` into one that is not there yet: where its Python
    cannot be used, where no environment was named, or where an interpreter was named by itself,
    which may be the system's and gets nothing installed.
    """
    from llmdoctor.install.patient import new_place

    place, fresh = options.env, environment.problem is not None and environment.kind != "missing"
    named = options.python or environment.is_none or environment.kind in ("system", "conda")
    if anew or named:
        place, fresh = new_place(system), False
    words = ["llmdoctor", "install", "--profile", "cpu", "--env", place]
    return shlex.join([*words, *(["--fresh"] if fresh else [])])


def _look(options: Namespace) -> str:
    """What tells more about the environment that was meant."""
    where = ["--python", options.python] if options.python else ["--env", options.env]
    return shlex.join(["llmdoctor", "check", *where])


def _narrowed(options: Namespace) -> tuple[str, ...]:
    """The options by which only a part of the rows is asked for, as one types them."""
    backends = (f"--backend {shlex.quote(name)}" for name in options.backend)
    return (*backends, *(f"--only {shlex.quote(glob)}" for glob in options.only))


def _asked(options: Namespace, rows_of: Callable[..., tuple[str, ...]]) -> tuple[str, ...]:
    """The rows that are asked for; none where the interpreter cannot list: the proof says why.

    Raises:
        UsageError: a --backend is unknown, an --only means no row, or together they mean none.
    """
    from llmdoctor.smoke import chosen

    device = options.device or "cpu"
    every, rows = (rows_of(device=device, full=full) for full in (True, options.full))
    if not every:
        if options.list:
            raise UsageError(
                f"{options.python or options.env}: its Python cannot list the rows",
                next_command=_look(options),
            )
        return ()
    place = ["--python", options.python] if options.python else ["--env", options.env]
    place = ["llmdoctor", "smoke", *place, *(["--full"] if options.full else [])]
    backends = list(dict.fromkeys(row.partition("/")[0] for row in every))
    for name in options.backend:
        if name not in backends:
            raise UsageError(
                f"--backend {name}: there is no such backend{nearest(name, backends)} "
                f"(there are {', '.join(backends)})",
                next_command=shlex.join([*place, "--backend", backends[0]]),
            )
    asked = chosen(rows, options.only, options.backend)
    for glob in options.only:
        if not chosen(rows, [glob], ()):
            hint = nearest(glob, rows)
            hint += "; --full has it" if chosen(every, [glob], ()) else ""
            raise UsageError(
                f"--only {glob}: there is no such row{hint} "
                f"(there are {', '.join(rows[:3])} and {len(rows) - 3} more)",
                next_command=shlex.join([*place, "--only", f"{rows[0].partition('/')[0]}/*"]),
            )
    if not asked:
        full = bool(chosen(every, options.only, options.backend))
        raise UsageError(
            "these --backend and --only mean no row" + (" without --full" if full else ""),
            next_command=shlex.join([*place, "--list", *(["--full"] if full else [])]),
        )
    return asked
