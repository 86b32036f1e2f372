"""The same choice in other tools' words, read back by those tools."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from packaging.requirements import Requirement as Pep508
from uv import find_uv_bin

from llmdoctor import profiles, sources
from llmdoctor.errors import UsageError
from llmdoctor.export import FORMATS, export
from llmdoctor.plan import Change, Plan, Resolved, Source
from llmdoctor.resolve import resolve
from llmdoctor.target import assume
from support.environment import hermetic_env
from support.index import LoopbackIndex
from support.wheels import build_wheel, fake_torch

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def planned(*names: str, machine: str) -> Plan:
    wanted = [profiles.find(name) for name in names]
    choice = resolve(wanted, list(profiles.builtin().values()), assume([machine]))
    assert choice.feasible, choice.reasons
    return Plan(choice, ".venv", source=sources.expected(choice))


@pytest.fixture
def cuda() -> Plan:
    return planned("mainline", "flashattn", machine="gpu=RTX 4090,driver=560.28.03,python=3.12")


def test_requirements_name_the_index_and_every_requirement(cuda: Plan) -> None:
    lines = export(cuda, "requirements").splitlines()
    assert "--extra-index-url https://download.pytorch.org/whl/cu126" in lines
    names = [Pep508(line).name for line in lines if not line.startswith(("#", "--"))]
    assert names == [requirement.name for requirement in cuda.choice.requirements]
    assert "torch==2.9.1+cu126" in lines


def test_a_resolved_plan_takes_torch_by_its_address_and_nothing_from_a_second_index(
    cuda: Plan,
) -> None:
    url = "https://download.pytorch.org/whl/cu126/torch-2.9.1%2Bcu126-cp312-cp312-x.whl"
    torch = Resolved("torch", "2.9.1+cu126", url=url, sha256="a" * 64)
    numpy = Resolved("numpy", "2.3.5", url="https://elsewhere/numpy.whl", sha256="b" * 64)
    resolved = Plan(
        cuda.choice, ".venv", source=cuda.source, changes=(Change(torch), Change(numpy))
    )
    lines = export(resolved, "requirements").splitlines()[1:]
    assert lines == [
        f"torch @ {url} --hash=sha256:{'a' * 64}",
        f"numpy==2.3.5 --hash=sha256:{'b' * 64}",
    ]


CONFIGURED = Source("configured", "2.9.1+cu126", "where pip is told to look")
NEAR = "file:///my%20wheels/torch-2.9.1%2Bcu126-cp312-cp312-x.whl"
PAGE = "http://page/torch-2.9.1%2Bcu126-cp312-cp312-x.whl"


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pylock"])
@pytest.mark.parametrize("url", [NEAR, PAGE])
def test_torch_of_a_folder_or_a_page_of_wheels_stands_by_its_address(
    cuda: Plan, name: str, url: str
) -> None:
    torch = Change(Resolved("torch", "2.9.1+cu126", url=url))
    made = replace(cuda, source=CONFIGURED, changes=(torch,))
    if (name, url) == ("dockerfile", NEAR):
        with pytest.raises(UsageError, match="takes no wheel of this machine along"):
            export(made, name)
        return
    text = export(made, name)
    assert f"torch @ {url}" in text
    assert "torch==" not in text
    assert "download.pytorch.org" not in text


@pytest.mark.parametrize("name", ["uv", "poetry"])
def test_projects_tie_torch_alone_to_an_explicit_source(cuda: Plan, name: str) -> None:
    data = tomllib.loads(export(cuda, name))
    assert "torch==2.9.1+cu126" in data["project"]["dependencies"]
    if name == "uv":
        (index,) = data["tool"]["uv"]["index"]
        assert index["explicit"] is True
        assert data["tool"]["uv"]["sources"] == {"torch": {"index": index["name"]}}
    else:
        (source,) = data["tool"]["poetry"]["source"]
        assert source["priority"] == "explicit"
        assert data["tool"]["poetry"]["dependencies"] == {"torch": {"source": source["name"]}}


def test_a_lock_needs_a_resolved_plan(cuda: Plan) -> None:
    with pytest.raises(UsageError, match="every package's file"):
        export(cuda, "pylock")


def test_a_lock_without_every_hash_proposes_a_format_that_needs_none(cuda: Plan) -> None:
    from argparse import Namespace

    from llmdoctor.cli.install import _exported

    made = replace(cuda, changes=(Change(Resolved("torch", "2.9.1+cu126")),))
    words = ["--profile", "mainline", "--export", "pylock", "--env", "my pylock"]
    with pytest.raises(UsageError, match="torch came without one") as refused:
        _exported(made, Namespace(export="pylock", assume=[], resolve=False, find_links=[]), words)
    assert refused.value.next_command == (
        "llmdoctor plan --profile mainline --export requirements --env 'my pylock'"
    )


def test_macos_has_no_second_index() -> None:
    plan = planned("mainline", machine="os=macos,arch=arm64")
    for name in ("requirements", "uv", "poetry", "conda"):
        assert "download.pytorch.org" not in export(plan, name)


def test_the_dockerfile_and_the_conda_file_hold_the_same_lines(cuda: Plan) -> None:
    lines = export(cuda, "requirements").splitlines()[1:]
    docker = export(cuda, "dockerfile")
    conda = export(cuda, "conda")
    assert all(line in docker and line.replace('"', '\\"') in conda for line in lines)
    assert "FROM python:3.12-slim" in docker
    assert "python=3.12" in conda


@pytest.mark.parametrize("name", ["pylock", "uv", "requirements"])
def test_uv_takes_what_was_exported(
    tmp_path: Path, loopback_index: LoopbackIndex, name: str
) -> None:
    """The exported lock, project and requirements are read by the real uv."""
    index = loopback_index.add("whl/cpu", fake_torch(tmp_path, "2.13.0", None))
    simple = loopback_index.add("simple", build_wheel(tmp_path, "numpy", "2.3.5"))
    plan = planned("cpu", machine=f"python={MINOR}")
    choice = plan.choice
    wanted = tuple(item for item in choice.requirements if item.name in ("torch", "numpy"))
    source = replace(sources.expected(choice), url=index)
    changes = tuple(
        Change(
            Resolved(
                item,
                version,
                url=f"{page.rstrip('/')}/{file}",
                sha256=hashlib.sha256((tmp_path / unquote(file)).read_bytes()).hexdigest(),
            )
        )
        for item, version, page, file in (
            ("torch", "2.13.0+cpu", index, "torch-2.13.0%2Bcpu-py3-none-any.whl"),
            ("numpy", "2.3.5", simple, "numpy-2.3.5-py3-none-any.whl"),
        )
    )
    made = Plan(replace(choice, requirements=wanted), ".venv", source=source, changes=changes)
    if name != "pylock":
        made = replace(made, changes=())
    file = {"pylock": "pylock.toml", "uv": "pyproject.toml", "requirements": "requirements.txt"}
    place = tmp_path / file[name]
    place.write_text(export(made, name))
    env = {**hermetic_env(tmp_path), "UV_DEFAULT_INDEX": simple}
    subprocess.run(
        [find_uv_bin(), "venv", "-q", "--python", sys.executable, str(tmp_path / "v")],
        env=env, check=True,
    )  # fmt: skip
    done = subprocess.run(
        [find_uv_bin(), "pip", "install", "--python", str(tmp_path / "v"), "-r", str(place)],
        env=env, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "torch==2.13.0+cpu" in done.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_holds_the_build_of_torch(name: str, cuda: Plan) -> None:
    torch = Resolved("torch", "2.9.1+cu126", url="https://x/torch.whl", sha256="a" * 64)
    text = export(replace(cuda, changes=(Change(torch),)), name)
    told = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert "2.9.1+cu126" in told or "https://x/torch.whl" in told


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("pylock", "conda")])
def test_a_format_with_credentials_in_it_is_refused(name: str, cuda: Plan) -> None:
    assert cuda.source is not None
    secret = replace(cuda.source, url="https://ann:hunter2@host/simple")
    with pytest.raises(UsageError, match="user name or a password") as caught:
        export(replace(cuda, source=secret), name)
    assert "hunter2" not in str(caught.value)


def test_the_command_line_offers_every_format(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "llmdoctor", "plan", "--help"], capture_output=True, text=True
    ).stdout
    assert "|".join(FORMATS) in shown.replace("\n", "").replace(" ", "")
    place = tmp_path / "Dockerfile"
    words = ["plan", "--profile", "cpu", "--assume", "python=3.12", "--export", "dockerfile"]
    done = subprocess.run(
        [sys.executable, "-m", "llmdoctor", *words, "--output", str(place)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "FROM python:3.12-slim" in place.read_text()


@pytest.mark.parametrize("machine", ["os=windows,gpu=RTX 4090,driver=560.94", "os=macos"])
def test_a_dockerfile_is_for_linux_alone(machine: str) -> None:
    with pytest.raises(UsageError, match="a Dockerfile is for Linux"):
        export(planned("mainline", machine=machine), "dockerfile")


def test_a_dockerfile_has_a_compiler_where_triton_needs_one(cuda: Plan) -> None:
    compiler = "--no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*"
    assert compiler in export(cuda, "dockerfile")
    assert "apt-get" not in export(planned("cpu", machine="gpu=none"), "dockerfile")
