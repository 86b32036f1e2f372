"""What `plan` and `install` are asked for: their common options, and the request they make."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.errors import UsageError, nearest

if TYPE_CHECKING:
    from llmdoctor.install import Request
    from llmdoctor.profile import Profile


def declare(parser: Parser) -> None:
    """Declare the options that both commands have."""
    parser.repeatable("--profile", "P", "A stack, or add-ons; repeatable. See `profiles`.")
    parser.add_argument("--env", metavar="DIR", help="The environment (.venv).")
    parser.add_argument("--python", metavar="X.Y|EXE", help="The Python of a new environment.")
    parser.add_argument("--project", metavar="DIR", default=".", help="The project it is for.")
    parser.choice("--installer", ("auto", "uv", "pip", "poetry"), "The tool that installs.")
    parser.flag("--sync", text="With Poetry: remove what the lock does not list, too.")
    parser.add_argument(
        "--variant", metavar="auto|cpu|cuXXX", default="auto", help="The build of torch."
    )
    parser.add_argument("--index-url", metavar="URL", help="The index to take torch from.")
    parser.repeatable("--find-links", "DIR|URL", "Where wheels lie as well; repeatable.")
    parser.repeatable("--allow", "CODE", "Override this exclusion; repeatable.")
    parser.flag("--no-smoke", text="Do not run the smoke test.")
    parser.flag("--smoke", text="Run it also where there is nothing to change.")
    parser.flag("--fresh", text="Set the environment aside and build it anew.")
    parser.report()


def read_request(options: Namespace) -> Request:
    """What was asked for; an environment that was not named is filled in.

    Raises:
        UsageError: options that cannot be meant together, or name what does not exist.
        ProfileError: a profile that is not there or cannot be read.
    """
    from llmdoctor import profiles
    from llmdoctor.install import Request

    if not options.profile:
        raise UsageError("which profile? give --profile", next_command="llmdoctor profiles")
    if options.sync and options.installer not in ("auto", "poetry"):
        raise UsageError(f"--sync is Poetry's, and --installer {options.installer} was given")
    if options.smoke and options.no_smoke:
        raise UsageError("--smoke and --no-smoke: which of the two?")
    if options.env is None:
        options.env = _usual_environment(options)
    wish = profiles.wish(options.profile, options.project)
    _known_codes(options.allow, wish.known)
    return Request(
        profiles=wish.wanted,
        known=wish.known,
        environment=options.env,
        python=options.python,
        installer=options.installer,
        variant=options.variant,
        index_url=options.index_url,
        find_links=tuple(options.find_links),
        allow=tuple(options.allow),
        smoke=not options.no_smoke,
        reprove=options.smoke,
        fresh=options.fresh,
        project=options.project,
        sync=options.sync,
    )


def _usual_environment(options: Namespace) -> str:
    """Where no `--env` is given: for an assumed machine nothing is looked at."""
    from llmdoctor.install import usual_environment
    from llmdoctor.system.local import Local

    if getattr(options, "assume", ()):
        return ".venv"
    return usual_environment(Local(), options.project, options.installer)


def _known_codes(codes: Sequence[str], profiles: Sequence[Profile]) -> None:
    """See that every `--allow` names something that can be overridden.

    Raises:
        UsageError: one does not.
    """
    from llmdoctor.checks import CHECKS
    from llmdoctor.install.occupied import CODE
    from llmdoctor.resolve import OVERRIDES

    rules = {rule.code for profile in profiles for rule in profile.exclusions}
    known = sorted({*rules, *OVERRIDES, CODE, *(check.code for check in CHECKS)})
    for code in codes:
        if code not in known:
            raise UsageError(
                f"--allow {code}: there is no such code{nearest(code, known)} "
                "(a plan that is refused names the code that overrides it)",
                next_command="llmdoctor check --list",
            )
