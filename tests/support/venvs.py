"""Real virtual environments, quick to make, and the ways in which they break."""

from __future__ import annotations

import atexit
import csv
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.distribution import (
    Contents,
    core_metadata,
    default_package,
    digest,
    file_stem,
    wheel_text,
    with_record,
)
from support.wheels import torch_modules, torch_variant

_WINDOWS = sys.platform == "win32"


def make_venv(folder: Path, python: Path | None = None, *, with_pip: bool = False) -> Path:
    """Run `python -m venv --without-pip` and return *folder*; pip is copied into it if asked."""
    interpreter = sys.executable if python is None else str(python)
    if with_pip and _WINDOWS:  # whose programs are no text
        _make(folder, interpreter)
        return folder
    _make(folder, interpreter, "--without-pip")
    if with_pip:
        _copy_pip(_with_pip(interpreter), folder)
    return folder


def _make(folder: Path, interpreter: str, *options: str) -> None:
    # A PYTHONHOME or a launcher variable of the calling program would end up in the environment.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "__PYVENV"))}
    command = [interpreter, "-m", "venv", *options, str(folder)]
    subprocess.run(command, check=True, env=env, capture_output=True, timeout=120)


@functools.cache
def _with_pip(interpreter: str) -> Path:
    """An environment with pip, made once: to unpack it takes ten times as long as to copy it."""
    folder = Path(tempfile.mkdtemp(prefix="llmdoctor-pip-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _make(folder, interpreter)
    return folder


def _copy_pip(source: Path, target: Path) -> None:
    """pip as `python -m venv` would have put it: its programs name the environment they are in."""
    packages, there = site_packages(source), site_packages(target)
    (info,) = packages.glob("pip-*.dist-info")
    for folder in (packages / "pip", info):
        shutil.copytree(folder, there / folder.name)
    for program in python_of(source).parent.glob("pip*"):
        copy = python_of(target).parent / program.name
        shutil.copy2(program, copy)
        copy.write_bytes(program.read_bytes().replace(bytes(source), bytes(target.absolute())))
    record = there / info.name / "RECORD"
    lines = list(csv.reader(record.read_text().splitlines()))
    for line in lines:
        if line[0].startswith("../"):
            data = (there / line[0]).read_bytes()
            line[1:] = [f"sha256={digest(data)}", str(len(data))]
    record.write_text("".join(f"{','.join(line)}\n" for line in lines))


def python_of(env: Path) -> Path:
    """The environment's interpreter, whether or not it works."""
    return env / "Scripts" / "python.exe" if _WINDOWS else env / "bin" / "python"


def site_packages(env: Path) -> Path:
    """Its site-packages folder.

    Raises:
        ValueError: *env* has none, or several.
    """
    pattern = "Lib/site-packages" if _WINDOWS else "lib/python*/site-packages"
    (found,) = env.glob(pattern)
    return found


def dist_info(env: Path, name: str, version: str) -> Path:
    """Where the dist-info folder of that distribution is, or would be."""
    return site_packages(env) / f"{file_stem(name, version)}.dist-info"


def install_fake_dist(
    env: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    files: Contents | None = None,
    local_tag: str | None = None,
    tag: str = "py3-none-any",
    installer: str = "pip",
    direct_url: Mapping[str, Any] | None = None,
) -> Path:
    """Write a distribution straight into site-packages, as pip leaves it; return its dist-info.

    Without *files* it is one package with a `__version__`. *local_tag* ("cu126") is appended to the
    version with a `+`; *tag* is the wheel tag it claims to come from (a foreign one is a diagnosis);
    *direct_url* is the content of direct_url.json.
    """
    full = version if local_tag is None else f"{version}+{local_tag}"
    folder = f"{file_stem(name, full)}.dist-info"
    content: dict[str, str | bytes] = dict(default_package(name, full) if files is None else files)
    content[f"{folder}/METADATA"] = core_metadata(name, full, requires=requires)
    content[f"{folder}/WHEEL"] = wheel_text(tag)
    content[f"{folder}/INSTALLER"] = f"{installer}\n"
    if direct_url is not None:
        content[f"{folder}/direct_url.json"] = json.dumps(direct_url)
    target = site_packages(env)
    for path, data in with_record(content, folder).items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(data)
    return target / folder


def install_fake_torch(
    env: Path,
    version: str,
    cuda: str | None,
    *,
    requires: Sequence[str] = (),
    local_in_metadata: bool = True,
) -> Path:
    """torch as the PyTorch index installs it, or (*local_in_metadata* False) as PyPI does."""
    full = torch_variant(version, cuda)
    return install_fake_dist(
        env,
        "torch",
        full if local_in_metadata else version,
        requires=requires,
        files=torch_modules(full, cuda),
    )


def add_script(env: Path, name: str, source: str = "import sys\nprint(sys.prefix)\n") -> Path:
    """A console script in bin/ with the absolute shebang that pip writes. POSIX only."""
    script = env / "bin" / name
    script.write_text(f"#!{python_of(env)}\n{source}")
    script.chmod(0o755)
    return script


def vanish_base(env: Path) -> Path:
    """Make the base interpreter gone: a dangling bin/python and a `home` that does not exist.

    Returns the vanished folder (beside *env*; it never existed).
    """
    gone = env.parent / "gone-python" / "bin"
    for link in (env / "bin").glob("python*"):
        if link.is_symlink() and link.readlink().is_absolute():
            name = link.readlink().name
            link.unlink()
            link.symlink_to(gone / name)
    set_cfg(env, "home", str(gone))
    return gone


def set_cfg(env: Path, key: str, value: str) -> None:
    """Set one `key = value` line of pyvenv.cfg."""
    cfg = env / "pyvenv.cfg"
    lines = cfg.read_text().splitlines()
    kept = [line for line in lines if line.partition("=")[0].strip() != key]
    cfg.write_text("\n".join([*kept, f"{key} = {value}"]) + "\n")


def remove_cfg(env: Path) -> None:
    """No pyvenv.cfg: its python is the base interpreter again, and pip would act on that."""
    (env / "pyvenv.cfg").unlink()


def garble_cfg(env: Path) -> None:
    """A pyvenv.cfg that is no longer `key = value` text."""
    (env / "pyvenv.cfg").write_bytes(b"\x00\xff\xfe not a config \n<<<<<<< HEAD\n")


def move_venv(env: Path, to: Path, script: str = "tool") -> Path:
    """Rename the environment; its console *script* keeps the shebang of the old place."""
    add_script(env, script)
    return env.rename(to)


def leave_dangling(env: Path, name: str, version: str, *, prefix: str = "~") -> Path:
    """What an interrupted pip leaves: `~ix-1.0.dist-info` for `six`; `-ix` in older pips."""
    whole = install_fake_dist(env, name, version)
    return whole.rename(whole.with_name(prefix + whole.name[1:]))


def duplicate_dist(env: Path, name: str, ghost: str, live: str) -> tuple[Path, Path]:
    """Two dist-info folders of one distribution; the files on disk are those of *live*."""
    return install_fake_dist(env, name, ghost), install_fake_dist(env, name, live)


def spoil_shebang(env: Path, name: str = "pip", python: str = "/gone/.venv/bin/python") -> Path:
    """A script in bin/ that names the Python of another place, as a copied one does. POSIX only."""
    script = add_script(env, name)
    script.write_text(f"#!{python}\nprint()\n")
    return script


def without_file(folder: Path, name: str) -> Path:
    """Take one file (RECORD, METADATA, WHEEL) away from a dist-info folder; return the folder."""
    (folder / name).unlink()
    return folder


@functools.cache
def find_python(minor: str) -> Path | None:
    """A working interpreter of that minor ("3.12") other than by installing one, else None.

    Looked for: this interpreter's base, PATH, pyenv's versions and uv's own. A pyenv shim on PATH
    exists for every installed version but only runs a selected one, so each candidate is run.
    """
    for candidate in _candidates(minor):
        code = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
        try:
            done = subprocess.run(
                [str(candidate), "-Ic", code], capture_output=True, text=True, timeout=30
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        lines = done.stdout.splitlines()
        if done.returncode == 0 and lines[0] == minor:
            return Path(lines[1])
    return None


def _candidates(minor: str) -> Iterator[Path]:
    if minor == "{}.{}".format(*sys.version_info[:2]):
        yield Path(getattr(sys, "_base_executable", sys.executable))
    name = f"python{minor}.exe" if _WINDOWS else f"python{minor}"
    on_path = [Path(part) / name for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path.home() / ".local" / "share" / "uv" / "python"
    yield from (path for path in on_path if path.is_file())
    yield from sorted(pyenv.glob(f"{minor}.*/bin/{name}"), reverse=True)
    yield from sorted(uv.glob(f"cpython-{minor}.*/bin/{name}"), reverse=True)
