"""Installers say exactly what will be run, and put nothing secret where others can read it."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from llmdoctor import tables
from llmdoctor.installers import CLEARED, Installer, Job, manifest
from llmdoctor.installers.pip import Pip
from llmdoctor.installers.uv import (
    Uv,
    compile_command,
    environment,
    index_options,
    platform_environment,
    platform_options,
)
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Change, Requirement, Resolved, Run, Source, Step, Write
from llmdoctor.tables.read import numbers
from llmdoctor.tags import macos_version
from llmdoctor.target import assume

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SECRET = "https://ann:hunter2@corp/simple"
INDEX = "https://download.pytorch.org/whl/cu126"
WHEEL = "https://github.com/x/flash_attn-2.8.3%2Bcu126torch2.9-cp312-cp312-linux_x86_64.whl"
TORCH = Change(Resolved("torch", "2.9.1+cu126"), before="2.9.1")
CHANGES = (
    TORCH,
    Change(Resolved("numpy", "2.0.0")),
    Change(Resolved("flash-attn", "2.8.3+cu126torch2.9", "wheel", WHEEL)),
)
JOB = Job(
    environment="/p/.venv",
    python="/usr/bin/python3.12",
    target_python="/p/.venv/bin/python",
    folder="/state/runs/1",
    source=Source("torch-index", "2.9.1+cu126", "the PyTorch index", INDEX),
    changes=CHANGES,
    lock='lock-version = "1.0"\n',
)
UV = Uv("/bin/uv", {})
INSTALLERS = pytest.mark.parametrize("installer", [UV, Pip()], ids=["uv", "pip"])


def runs(steps: tuple[Step, ...]) -> list[Run]:
    return [step for step in steps if isinstance(step, Run)]


def writes(steps: tuple[Step, ...]) -> dict[str, str]:
    return {step.path: step.content for step in steps if isinstance(step, Write)}


# --- both


@INSTALLERS
def test_no_child_is_turned_towards_another_environment(installer: Installer) -> None:
    assert {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME"} <= set(CLEARED)
    for step in runs((*installer.create(JOB), *installer.install(JOB))):
        assert {name: step.env[name] for name in CLEARED} == CLEARED
        assert [name for name in CLEARED if CLEARED[name] is not None] == ["PIP_USER"]


@INSTALLERS
def test_credentials_are_in_variables_alone(installer: Installer) -> None:
    secret = replace(
        JOB,
        source=replace(JOB.source, url=SECRET),
        find_links=(SECRET, "/wheels"),
        pip=PipConfig(
            index_url=SECRET,
            extra_index_urls=(SECRET,),
            find_links=(SECRET,),
            proxy="http://ann:hunter2@proxy:3128",
        ),
    )
    steps = (*installer.create(secret), *installer.install(secret))
    seen = [word for step in runs(steps) for word in (*step.argv, step.text)]
    seen += [*writes(steps), *writes(steps).values()]
    assert not [word for word in seen if "hunter2" in word]
    assert any("hunter2" in (value or "") for step in runs(steps) for value in step.env.values())


@INSTALLERS
def test_only_what_makes_the_environment_creates_something(installer: Installer) -> None:
    (made,) = runs(installer.create(JOB))
    assert made.creates == "/p/.venv"
    assert made.argv[-1] == "/p/.venv"
    assert "/usr/bin/python3.12" in made.argv
    assert [step.creates for step in runs(installer.install(JOB))] == [None] * len(
        runs(installer.install(JOB))
    )


# --- pip


def test_pip_takes_torch_from_its_index_first_and_the_rest_from_the_default_one() -> None:
    torch, rest = runs(Pip().install(JOB))
    assert torch.env["PIP_INDEX_URL"] == INDEX
    assert torch.env["PIP_EXTRA_INDEX_URL"] is None
    assert "PIP_INDEX_URL" not in rest.env
    assert "PIP_EXTRA_INDEX_URL" not in rest.env
    assert writes(Pip().install(JOB)) == {
        "/state/runs/1/torch.txt": "torch==2.9.1+cu126\n",
        "/state/runs/1/packages.txt": f"numpy==2.0.0\nflash-attn @ {WHEEL}\n",
    }


def test_pip_resolves_nothing_and_builds_nothing() -> None:
    for step in runs(Pip().install(JOB)):
        assert step.argv[:4] == ("/p/.venv/bin/python", "-m", "pip", "install")
        assert "--no-deps" in step.argv
        assert step.argv[step.argv.index("--only-binary") + 1] == ":all:"
        assert "--no-input" in step.argv


def test_pip_leaves_out_a_phase_that_has_nothing_to_do() -> None:
    steps = Pip().install(replace(JOB, changes=(TORCH,)))
    assert list(writes(steps)) == ["/state/runs/1/torch.txt"]
    assert len(runs(steps)) == 1


def test_pip_replaces_what_it_would_take_for_installed_already() -> None:
    torch, rest = runs(Pip().install(JOB))
    assert "--force-reinstall" in torch.argv
    assert "--force-reinstall" not in rest.argv
    again = Change(Resolved("numpy", "2.0.0"), before="2.0.0")
    (step,) = runs(Pip().install(replace(JOB, changes=(again,))))
    assert "--force-reinstall" in step.argv


def test_pip_is_added_where_the_environment_has_none() -> None:
    first = runs(Pip().install(replace(JOB, has_pip=False)))[0]
    assert first.argv == ("/p/.venv/bin/python", "-m", "ensurepip")


def test_pip_of_a_configured_source_uses_what_pip_is_configured_with() -> None:
    torch = runs(Pip().install(replace(JOB, source=replace(JOB.source, url=None))))[0]
    assert "PIP_INDEX_URL" not in torch.env


def test_pip_gets_folders_as_arguments_and_addresses_beside_its_own_configuration() -> None:
    job = replace(
        JOB, find_links=("/my wheels", "https://page/"), pip=PipConfig(find_links=("/own",))
    )
    step = runs(Pip().install(job))[0]
    assert step.argv[step.argv.index("--find-links") + 1] == "/my wheels"
    assert step.env["PIP_FIND_LINKS"] == "https://page/ /own"


# --- uv


def test_uv_installs_the_written_lock_and_nothing_else() -> None:
    steps = UV.install(JOB)
    assert writes(steps) == {"/state/runs/1/pylock.toml": JOB.lock}
    (step,) = runs(steps)
    assert step.argv[:5] == ("/bin/uv", "pip", "install", "--python", "/p/.venv/bin/python")
    assert step.argv[5:7] == ("--requirements", "/state/runs/1/pylock.toml")
    assert step.text == "install 3 packages with uv"


def test_uv_is_told_to_replace_what_is_there_since_another_build_looks_the_same_to_it() -> None:
    (step,) = runs(UV.install(JOB))
    assert step.argv[-2:] == ("--reinstall-package", "torch")


def test_uv_forgets_a_damaged_package_first_since_its_cache_may_hold_the_same_bytes() -> None:
    again = Change(Resolved("numpy", "2.0.0"), before="2.0.0")
    steps = UV.install(replace(JOB, changes=(TORCH, again)))
    assert [step.kind for step in steps] == ["run", "write", "run"]
    clean, install = runs(steps)
    assert clean.argv == ("/bin/uv", "cache", "clean", "--project", "/state/runs/1", "numpy")
    assert install.argv[-4:] == ("--reinstall-package", "torch", "--reinstall-package", "numpy")


def test_uv_reads_the_settings_of_no_project() -> None:
    for step in runs((*UV.create(JOB), *UV.install(JOB))):
        assert step.argv[step.argv.index("--project") + 1] == "/state/runs/1"
        assert "UV_NO_CONFIG" not in step.env  # the user's own still count


def test_uv_knows_the_password_of_the_torch_index_while_it_installs() -> None:
    job = replace(JOB, source=replace(JOB.source, url=SECRET))
    own = Uv("/bin/uv", {"UV_EXTRA_INDEX_URL": "https://mine/"})
    assert runs(own.install(job))[0].env["UV_EXTRA_INDEX_URL"] == f"https://mine/ {SECRET}"
    assert "UV_EXTRA_INDEX_URL" not in runs(own.install(JOB))[0].env


def test_uv_sees_what_pip_is_configured_with() -> None:
    pip = PipConfig(
        index_url="https://main/",
        extra_index_urls=("https://a/", "https://b/"),
        find_links=("/pip",),
        cert="/corp.pem",
        trusted_hosts=("corp", "corp:8443"),
        proxy="http://proxy:3128",
        no_index=True,
    )
    assert environment(pip, {}, ("/mine",)) == {
        **CLEARED,
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_DEFAULT_INDEX": "https://main/",
        "UV_EXTRA_INDEX_URL": "https://a/ https://b/",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/mine,/pip",
        "SSL_CERT_FILE": "/corp.pem",
        "UV_INSECURE_HOST": "corp corp:8443",
        "HTTPS_PROXY": "http://proxy:3128",
        "HTTP_PROXY": "http://proxy:3128",
    }


def test_uv_is_told_by_an_option_to_ask_no_index() -> None:
    """It knows no variable for that: one that was set was passed over in silence."""
    pip = PipConfig(no_index=True)
    assert index_options(pip, {}) == ("--no-index",)
    assert index_options(pip, {"UV_DEFAULT_INDEX": "https://mine/"}) == ()
    assert index_options(PipConfig(), {}) == ()
    assert "--no-index" in runs(Uv("/bin/uv", {}).install(replace(JOB, pip=pip)))[0].argv


def test_without_pips_configuration_uv_is_left_as_it_is() -> None:
    assert environment(PipConfig(), {}) == {
        **CLEARED,
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


@pytest.mark.parametrize(
    ("name", "pip"),
    [
        ("UV_DEFAULT_INDEX", PipConfig(index_url="https://pip/")),
        ("UV_EXTRA_INDEX_URL", PipConfig(extra_index_urls=("https://pip/",))),
        ("SSL_CERT_FILE", PipConfig(cert="/pip.pem")),
        ("UV_INSECURE_HOST", PipConfig(trusted_hosts=("pip",))),
        ("HTTPS_PROXY", PipConfig(proxy="http://pip:1")),
    ],
)
def test_what_the_user_has_set_for_uv_stays(name: str, pip: PipConfig) -> None:
    assert name in environment(pip, {})
    assert name not in environment(pip, {name: "mine"})


def test_uvs_older_names_for_its_indexes_count_as_set_too() -> None:
    pip = PipConfig(index_url="https://pip/", extra_index_urls=("https://pip/x",))
    env = environment(pip, {"UV_INDEX_URL": "https://mine/", "UV_INDEX": "https://mine/x"})
    assert "UV_DEFAULT_INDEX" not in env
    assert "UV_EXTRA_INDEX_URL" not in env


def test_folders_of_wheels_are_added_to_those_that_uv_has() -> None:
    env = environment(PipConfig(find_links=("/pip",)), {"UV_FIND_LINKS": "/uv"}, ("/mine",))
    assert env["UV_FIND_LINKS"] == "/mine,/pip,/uv"


def test_uv_never_builds_while_it_resolves() -> None:
    command = compile_command("uv", "pyproject.toml", "pylock.toml", "/usr/bin/python3")
    assert command[:3] == ("uv", "pip", "compile")
    assert command[-2:] == ("--only-binary", ":all:")


@pytest.mark.parametrize(
    ("pairs", "platform", "python"),
    [
        ("glibc=2.35", "x86_64-manylinux_2_35", "3.12"),
        ("arch=aarch64,glibc=2.28,python=3.11", "aarch64-manylinux_2_28", "3.11"),
        # uv knows some numbers alone: the newest that the target has as well
        ("glibc=2.41", "x86_64-manylinux_2_40", "3.12"),
        ("glibc=2.26", "x86_64-manylinux_2_17", "3.12"),
        ("glibc=2.30", "x86_64-manylinux_2_28", "3.12"),
        ("glibc=2.12", "x86_64-manylinux_2_17", "3.12"),
        ("os=windows", "x86_64-pc-windows-msvc", "3.12"),
        ("os=macos,arch=arm64", "aarch64-apple-darwin", "3.12"),
        ("os=macos,arch=x86_64", "x86_64-apple-darwin", "3.12"),
    ],
)
def test_another_machine_is_named_to_uv(pairs: str, platform: str, python: str) -> None:
    options = platform_options(assume([pairs]))
    assert options == ("--python-platform", platform, "--python-version", python)


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_uv_is_told_a_macos_on_which_the_newest_torch_installs(arch: str) -> None:
    target = assume([f"os=macos,arch={arch}"])
    version = platform_environment(target)["MACOSX_DEPLOYMENT_TARGET"]
    assert version == macos_version()
    needed = [numbers(release.macos) for release in tables.torch_releases()]
    assert max(needed) <= numbers(str(version))


@pytest.mark.parametrize("pairs", ["os=windows", "os=linux", "arch=aarch64", "wsl=2"])
def test_no_other_system_is_given_a_macos(pairs: str) -> None:
    assert platform_environment(assume([pairs])) == {}


# --- the manifest

REQUIREMENTS = (
    Requirement("torch", "torch==2.9.1", "torch"),
    Requirement("numpy", "numpy>=1.26"),
    Requirement("flash-attn", f"flash-attn @ {WHEEL}", "wheel", WHEEL),
)


def test_the_manifest_takes_torch_alone_from_its_index() -> None:
    document = tomllib.loads(manifest(REQUIREMENTS, JOB.source, "3.12"))
    assert document["project"]["dependencies"] == [
        "torch==2.9.1+cu126",
        "numpy>=1.26",
        f"flash-attn @ {WHEEL}",
    ]
    assert document["project"]["requires-python"] == ">=3.12"
    assert document["tool"]["uv"] == {
        "sources": {"torch": {"index": "torch"}},
        "index": [{"name": "torch", "url": INDEX, "explicit": True}],
    }


def test_what_is_built_for_torch_comes_from_its_index_too() -> None:
    xformers = Requirement("xformers", "xformers==0.0.33.post1", "torch")
    document = tomllib.loads(manifest((*REQUIREMENTS, xformers), JOB.source, "3.12"))
    assert document["project"]["dependencies"][-1] == "xformers==0.0.33.post1"
    assert set(document["tool"]["uv"]["sources"]) == {"torch", "xformers"}
    job = replace(
        JOB,
        changes=(*CHANGES, Change(Resolved("xformers", "0.0.33.post1"))),
        from_torch_index=("torch", "xformers"),
    )
    assert writes(Pip().install(job))["/state/runs/1/torch.txt"] == (
        "torch==2.9.1+cu126\nxformers==0.0.33.post1\n"
    )


def test_the_manifest_of_the_default_index_names_none() -> None:
    source = Source("default", "2.9.1", "the default package index")
    document = tomllib.loads(manifest(REQUIREMENTS, source, "3.12"))
    assert document["project"]["dependencies"][0] == "torch==2.9.1"
    assert "tool" not in document
