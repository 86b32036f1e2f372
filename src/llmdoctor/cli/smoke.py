"""`llmdoctor smoke`: prove an environment that exists."""

from __future__ import annotations

from collections.abc import Sequence

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import emit, say
from llmdoctor.errors import UsageError


def smoke(parser: Parser, words: Sequence[str]) -> int:
    """Run every attention backend, forward and backward, and check the numbers."""
    parser.add_argument("--env", metavar="DIR", default=".venv", help="The environment to prove.")
    parser.add_argument("--python", metavar="EXE", help="The interpreter to prove.")
    parser.repeatable("--only", "GLOB", "Rows by backend/kernel/mode/dtype; repeatable.")
    parser.report()
    parser.examples("llmdoctor smoke", "llmdoctor smoke --env ~/lora/.venv --only 'sdpa/*/lora/*'")
    options = parser.read(words)

    from llmdoctor.probe import Subject, look
    from llmdoctor.render import documents, terminal
    from llmdoctor.smoke import prove
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
    if not options.quiet:
        say(f"proving {environment.executable}")
    proof = prove(system, environment.executable, tuple(options.only))
    verdict = "proven" if proof.passed else f"not proven: {proof.problem or 'rows failed'}"
    emit(
        documents.smoke(proof),
        lambda paper: terminal.smoke(proof, paper, verbose=options.verbose),
        format=options.format,
        output=options.output,
        line=verdict if options.quiet else None,
    )
    return int(not proof.passed)
