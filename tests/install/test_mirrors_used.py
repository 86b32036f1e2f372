"""Where a mirror is named, it is asked and nobody else; the nearest name wins."""

from __future__ import annotations

import pytest

from install.conftest import World
from support.index import closed_port


@pytest.fixture
def far(world: World) -> World:
    """No variable of the user's names a mirror."""
    del world.environ["LLMDOCTOR_TORCH_INDEX"]
    return world


def mirror(world: World, url: str) -> None:
    (world.project / "pyproject.toml").write_text(
        f"[tool.llmdoctor.mirrors]\ntorch-index = {url!r}\n"
    )


def source(world: World, *words: str, code: int = 0) -> str:
    return str(world.json("plan", "--profile", "cpu", *words, code=code)["source"])


def test_a_projects_mirror_serves_an_install(far: World) -> None:
    mirror(far, far.index.url("whl"))
    done = far.json("install", "--profile", "cpu", "--yes", "--no-smoke")
    assert done["source"] == f"the PyTorch index {far.index.url('whl')}cpu"
    assert far.versions()["torch"] == "2.13.0+cpu"


def test_a_variable_wins_over_the_project_and_an_option_over_both(far: World) -> None:
    with closed_port() as nowhere:
        mirror(far, nowhere)
        far.environ["LLMDOCTOR_TORCH_INDEX"] = here = far.index.url("whl")
        assert source(far) == f"the PyTorch index {here}cpu"
        far.environ["LLMDOCTOR_TORCH_INDEX"] = nowhere
        assert source(far, "--mirror", f"torch-index={here}") == f"the PyTorch index {here}cpu"


def test_a_mirror_that_cannot_be_meant_ends_the_command(far: World) -> None:
    mirror(far, "x.example")
    said = far.run("plan", "--profile", "cpu", code=2).stderr
    assert "pyproject.toml [tool.llmdoctor.mirrors]: torch-index is 'x.example'" in said
    assert "--mirror: there is no 'torch' to mirror" in (
        far.run("plan", "--profile", "cpu", "--mirror", "torch=https://x/", code=2).stderr
    )


def test_a_check_of_the_network_says_which_name_it_followed(far: World) -> None:
    mirror(far, far.index.url("whl"))
    for name, page in (("LLMDOCTOR_GITHUB", "wheels/"), ("HF_ENDPOINT", "hub/")):
        far.index.put(page, b"<!DOCTYPE html>")
        far.environ[name] = far.index.url(page)
    seen = far.json("check", "--network", "--select", "NET")["machine"]["network"]
    (place,) = [item for item in seen if item["role"] == "torch-index"]
    assert (place["named_by"], place["outcome"]) == ("[tool.llmdoctor.mirrors]", "ok")
