"""uv: the resolver of every install, and the default installer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmdoctor.addresses import has_credentials
from llmdoctor.installers import CLEARED, Compilation, Job
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Change, Run, Step, Target, Write
from llmdoctor.tags import glibc_for_uv, macos_version

_HOUR = 3600.0
LONGEST_BUILD = 24 * _HOUR


def environment(
    pip: PipConfig, environ: Mapping[str, str], find_links: tuple[str, ...] = ()
) -> dict[str, str | None]:
    """Variables that make uv see what pip is configured with.

    In variables and not in arguments, because addresses may carry credentials and other users can
    read arguments. What the user has set for uv itself stays.
    """
    env: dict[str, str | None] = {**CLEARED, "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}

    def default(name: str, value: str | None) -> None:
        if value and not environ.get(name):
            env[name] = value

    if not environ.get("UV_INDEX_URL"):
        default("UV_DEFAULT_INDEX", pip.index_url)
    if pip.extra_index_urls and not environ.get("UV_INDEX"):
        default("UV_EXTRA_INDEX_URL", " ".join(pip.extra_index_urls))
        # pip takes the best version of all its indexes, uv by default the first index that answers
        default("UV_INDEX_STRATEGY", "unsafe-best-match")
    links = [*find_links, *pip.find_links]
    if own := environ.get("UV_FIND_LINKS"):
        links.append(own)
    if links:
        env["UV_FIND_LINKS"] = ",".join(links)
    default("SSL_CERT_FILE", pip.cert)
    default("UV_INSECURE_HOST", " ".join(pip.trusted_hosts))
    if pip.proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY"):
            default(name, pip.proxy)
    return env


def index_options(pip: PipConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The `no-index` of pip: uv has no variable for it but an option. An index set for uv stays."""
    own = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
    set_for_uv = any(environ.get(name) for name in own)
    return ("--no-index",) if pip.no_index and not set_for_uv else ()


def wheels_only(builds: Sequence[str]) -> tuple[str, ...]:
    """Options of both uv and pip: `builds` come from source, everything else as a wheel.

    That forces a build of `builds`, also where an index has a wheel. Neither tool can merely allow
    it: what excepts a package from `--only-binary :all:` is `--no-binary` alone. So only packages
    for which no wheel was found belong there.
    """
    allowed = [word for name in builds for word in ("--no-binary", name)]
    return ("--only-binary", ":all:", *allowed)


def compile_command(
    uv: str, manifest: str, lock: str, python: str, builds: Sequence[str] = ()
) -> tuple[str, ...]:
    """The command that turns a manifest into the closed set of packages.

    A lock that is already at `lock` gives preferences: versions in it stay unless they must move.
    Nothing but `builds` is built from source: a build can take hours, and is never a surprise.
    """
    return (
        uv, "pip", "compile", manifest, "--python", python, "--output-file", lock,
        "--format", "pylock.toml", "--no-header", "--quiet", *wheels_only(builds),
    )  # fmt: skip


def platform_options(target: Target) -> tuple[str, ...]:
    """What makes uv resolve for a machine that is not this one."""
    arch = "aarch64" if target.arch == "arm64" else target.arch
    if target.os == "windows":
        platform = f"{arch}-pc-windows-msvc"
    elif target.os == "macos":
        platform = f"{arch}-apple-darwin"
    else:
        platform = f"{arch}-manylinux_{glibc_for_uv(target.glibc).replace('.', '_')}"
    return ("--python-platform", platform, "--python-version", target.python)


def platform_environment(target: Target) -> dict[str, str | None]:
    """The variables that belong to `platform_options`.

    Without this one uv resolves for macOS 13, where torch 2.13 has no wheel.
    """
    return {"MACOSX_DEPLOYMENT_TARGET": macos_version()} if target.os == "macos" else {}


class Uv:
    """Drives the uv that came with llmdoctor."""

    name = "uv"
    overwrites = False

    def __init__(self, program: str, environ: Mapping[str, str]) -> None:
        self._program = program
        self._environ = environ

    def create(self, job: Job) -> tuple[Step, ...]:
        """Make the environment with `uv venv`."""
        argv = (
            self._program, "venv", "--python", job.python, "--no-project",
            "--project", job.folder, job.environment,
        )  # fmt: skip
        env = environment(job.pip, self._environ)
        text = f"make the environment {job.environment}"
        return (Run(text, argv, env, timeout=300.0, creates=job.environment),)

    def install(self, job: Job) -> tuple[Step, ...]:
        """Install the lock's packages and nothing else."""
        lock = f"{job.folder}/pylock.toml"
        again = [change.package.name for change in job.changes if _same_again(change)]
        argv = [
            self._program,
            "pip",
            "install",
            "--python",
            job.target_python,
            "--requirements",
            lock,
            # The [tool.uv] of the folder in which the user stands is that project's own, and the
            # packages were resolved without it. The user's own uv.toml counts as it did there.
            "--project",
            job.folder,
            *(("--offline",) if job.wheels else index_options(job.pip, self._environ)),
        ]
        for change in job.changes:
            if change.before is not None:
                # uv takes torch 2.9.1+cu126 for 2.9.1: say that the build is meant, too
                argv += ["--reinstall-package", change.package.name]
        env = environment(job.pip, self._environ, job.find_links)
        url = job.source.url or ""
        if has_credentials(url):  # the lock's addresses lack them; nothing is resolved
            own = env.get("UV_EXTRA_INDEX_URL") or self._environ.get("UV_EXTRA_INDEX_URL", "")
            env["UV_EXTRA_INDEX_URL"] = f"{own} {url}".strip()
        return (
            *((self._out_of_cache(job, again, env),) if again else ()),
            Write("write down exactly what is installed", lock, job.lock),
            Run(f"install {len(job.changes)} packages with uv", tuple(argv), env, _HOUR),
            *(self._compile(job, item) for item in job.compilations),
        )

    def _compile(self, job: Job, item: Compilation) -> Run:
        """Never from the cache: its key knows nothing of the variables that setup.py reads."""
        package = item.change.package
        argv = (
            self._program, "pip", "install", "--python", job.target_python, "--project", job.folder,
            "--no-deps", "--no-build-isolation", "--no-cache", "--no-binary", package.name,
            *index_options(job.pip, self._environ), f"{package.name}=={package.version}",
        )  # fmt: skip
        env = environment(job.pip, self._environ, job.find_links)
        env |= {**item.env, "RUST_LOG": "uv_build_frontend=debug"}  # what the compiler says
        return Run(item.text, argv, env, LONGEST_BUILD)

    def _out_of_cache(self, job: Job, names: list[str], env: dict[str, str | None]) -> Run:
        """Installed files share their bytes with uv's cache: what is cut short is so in both."""
        argv = (self._program, "cache", "clean", "--project", job.folder, *names)
        return Run(f"take {', '.join(names)} out of uv's cache", argv, env, timeout=300.0)


def _same_again(change: Change) -> bool:
    return change.before == change.package.version
