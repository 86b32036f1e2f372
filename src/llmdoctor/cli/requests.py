"""What `plan`, `install` and `bundle` are asked for: their options, and the request they make."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.errors import ProfileError, UsageError, nearest

if TYPE_CHECKING:
    from llmdoctor.install import Request
    from llmdoctor.profile import Profile
    from llmdoctor.system import System


def declare_wish(parser: Parser) -> None:
    """Declare what is wished for, and where it may come from."""
    parser.repeatable("--profile", "P", "A stack, or add-ons; repeatable. See `profiles`.")
    parser.add_argument("--project", metavar="DIR", default=".", help="The project it is for.")
    parser.add_argument(
        "--variant", metavar="auto|cpu|cuXXX", default="auto", help="The build of torch."
    )
    parser.add_argument("--index-url", metavar="URL", help="The index to take torch from.")
    parser.repeatable("--find-links", "DIR|URL", "Where wheels lie as well; repeatable.")
    parser.repeatable(
        "--mirror", "NAME=URL", "What stands for torch-index, github, huggingface; repeatable."
    )
    parser.repeatable("--allow", "CODE", "Override this exclusion; repeatable.")


def door(options: Namespace) -> System:
    """This machine, with mirrors: the command line's, else its variables', else the project's.

    Raises:
        UsageError: a mirror that cannot be meant.
    """
    from llmdoctor import mirrors
    from llmdoctor.system.local import Local

    system = Local()
    named = mirrors.of_words(getattr(options, "mirror", ()))
    return Local({**system.environ, **project_mirrors(system, options.project), **named})


def project_mirrors(system: System, project: str) -> dict[str, str]:
    """The variables that the project's mirrors stand for, but for those that are set.

    Raises:
        UsageError: a mirror that cannot be meant.
    """
    from llmdoctor import mirrors
    from llmdoctor.profiles.places import nearest_table

    try:
        found = nearest_table(project)
    except ProfileError:  # a broken file is a finding of `check`
        return {}
    if found is None:
        return {}
    written = found.tables(mirrors.KEY, "mirrors")
    named = mirrors.variables(written, f"{found.path} [tool.llmdoctor.{mirrors.KEY}]")
    return {name: url for name, url in named.items() if not system.environ.get(name)}


def declare_assume(parser: Parser) -> None:
    """Declare the machine that is meant instead of this one."""
    parser.repeatable(
        "--assume",
        "KEY=VALUE",
        "For that machine: os, arch (on macos arm64, else x86_64), glibc, python, driver, gpu, cc, "
        "ram, wsl.",
    )


def declare(parser: Parser) -> None:
    """Declare the options that `plan` and `install` have."""
    declare_wish(parser)
    parser.add_argument("--bundle", metavar="DIR", help="Take everything from there: no network.")
    parser.add_argument("--env", metavar="DIR", help="The environment (.venv).")
    parser.add_argument("--python", metavar="X.Y|EXE", help="The Python of a new environment.")
    parser.choice("--installer", ("auto", "uv", "pip", "poetry"), "The tool that installs.")
    parser.flag("--sync", text="With Poetry: remove what the lock does not list, too.")
    parser.flag("--build", text="Compile here what has no wheel: hours, and a CUDA toolkit.")
    parser.flag("--no-smoke", text="Do not run the smoke test.")
    parser.flag("--smoke", text="Run it also where there is nothing to change.")
    parser.flag("--fresh", text="Set the environment aside and build it anew.")
    parser.flag("--in-place", text="Change an environment that cannot be swapped: conda, a mount.")
    parser.report()


def read_request(options: Namespace) -> Request:
    """What was asked for; an environment that was not named is filled in.

    Raises:
        UsageError: options that cannot be meant together, or name what does not exist.
        ProfileError: a profile that is not there or cannot be read.
    """
    from llmdoctor.resolve import SOURCE_BUILD

    if options.bundle:
        _with_bundle(options)
    if options.sync and options.installer not in ("auto", "poetry"):
        raise UsageError(f"--sync is Poetry's, and --installer {options.installer} was given")
    if options.in_place and (options.fresh or options.installer == "poetry"):
        other = "--fresh" if options.fresh else "--installer poetry"
        raise UsageError(f"--in-place and {other}: which of the two?")
    if options.build and options.installer == "poetry":
        raise UsageError("--build compiles in an environment of uv or pip; Poetry has its own lock")
    if options.smoke and options.no_smoke:
        raise UsageError("--smoke and --no-smoke: which of the two?")
    if options.env is None:
        options.env = _usual_environment(options)
    wish = read_wish(options)
    return replace(
        wish,
        allow=(*wish.allow, *((SOURCE_BUILD,) if options.build else ())),
        environment=options.env,
        python=options.python,
        installer=options.installer,
        smoke=not options.no_smoke,
        reprove=options.smoke,
        fresh=options.fresh,
        sync=options.sync,
        in_place=options.in_place,
        bundle=options.bundle,
    )


def read_wish(options: Namespace) -> Request:
    """What is wished for, of an environment that nobody has named.

    Raises:
        UsageError: no profile, or an exclusion that does not exist.
        ProfileError: a profile that is not there or cannot be read.
    """
    from llmdoctor import profiles
    from llmdoctor.install import Request

    if not options.profile:
        raise UsageError("which profile? give --profile", next_command="llmdoctor profiles")
    wish = profiles.wish(options.profile, options.project)
    _known_codes(options.allow, wish.known)
    return Request(
        profiles=wish.wanted,
        known=wish.known,
        variant=options.variant,
        index_url=options.index_url,
        find_links=tuple(options.find_links),
        mirrors=tuple(options.mirror),
        allow=tuple(options.allow),
        project=options.project,
    )


def _with_bundle(options: Namespace) -> None:
    """Fill in what a bundle says, and refuse what it leaves no choice about."""
    from llmdoctor import bundle, profiles
    from llmdoctor.probe.paths import absolute
    from llmdoctor.system.local import Local

    others = {
        "--index-url": options.index_url,
        "--find-links": options.find_links,
        "--mirror": options.mirror,
        "--variant": options.variant != "auto",
        "--installer poetry": options.installer == "poetry",
        "--build": options.build,
        "--assume": getattr(options, "assume", ()),
    }
    for name, given in others.items():
        if given:
            raise UsageError(f"--bundle holds all that there is to choose from: leave out {name}")
    system = Local()
    found = bundle.read(system, absolute(system, options.bundle))
    if not options.profile:
        options.profile = list(found.purpose.profiles)
        try:
            profiles.wish(options.profile, options.project)
        except UsageError as error:  # one of somebody's own, who is not here
            raise UsageError(
                f"{error.message}; the bundle was made for it: name it by --profile",
                next_command="llmdoctor profiles",
            ) from None


def _usual_environment(options: Namespace) -> str:
    """Where no `--env` is given: for an assumed machine only a project to write is looked at."""
    from llmdoctor.install import usual_environment
    from llmdoctor.system.local import Local

    if getattr(options, "assume", ()) and not options.write:
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
