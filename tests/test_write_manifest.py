"""What a choice becomes in a project's manifest: the text alone, no tool is run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdoctor import profiles, sources
from llmdoctor.installers.poetry_groups import Carriers, carriers
from llmdoctor.plan import Choice
from llmdoctor.resolve import resolve
from llmdoctor.target import assume
from llmdoctor.write import NotWritableError, Rewritten, rewrite

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LINUX = "os=linux,arch=x86_64,glibc=2.35,python=3.12,gpu=RTX 4090,driver=580.95.05"
WINDOWS = "os=windows,python=3.12,gpu=RTX 4090,driver=580.95"
EVERY = profiles.builtin()
POETRY = """\
[tool.poetry]
name = "toy"  # mine

[tool.poetry.dependencies]
python = "~3.12"
rich = "*"  # prints

# how it is checked
[tool.ruff]
line-length = 99
"""
UV = """\
[project]
name = "toy"  # mine
dependencies = [
  "rich",  # prints
]

[dependency-groups]
dev = ["pytest"]  # tests

# how it is locked
[tool.uv]
package = false
"""
START = {"poetry": POETRY, "uv": UV}


@cache
def chosen(names: tuple[str, ...], machine: str = LINUX) -> Choice:
    choice = resolve([EVERY[name] for name in names], tuple(EVERY.values()), assume([machine]))
    assert choice.feasible, choice.reasons
    return choice


def write(text: str, tool: str, *names: str, machine: str = LINUX) -> Rewritten:
    """Written once, and a second time for nothing."""
    choice = chosen(names, machine)
    known, source = tuple(EVERY.values()), sources.expected(choice)
    made = rewrite(text, tool, choice, source, known)
    again = rewrite(made.text, tool, choice, source, known)
    assert (again.text, again.changes) == (made.text, ())
    return made


def read(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def test_a_stack_in_a_poetry_project_is_an_optional_group_with_torch_from_its_own_source() -> None:
    assert write(POETRY, "poetry", "mainline").text == (
        """\
[tool.poetry]
name = "toy"  # mine

[tool.poetry.dependencies]
python = "~3.12"
rich = "*"  # prints

[[tool.poetry.source]]
name = "torch-cu126"
url = "https://download.pytorch.org/whl/cu126"
priority = "explicit"

[tool.poetry.group.mainline]
optional = true

[tool.poetry.group.mainline.dependencies]
torch = {version = "==2.9.1+cu126", source = "torch-cu126"}
transformers = ">=5.0.0,<5.1.0"
peft = ">=0.18.0,<0.19.0"
accelerate = ">=1.12.0,<1.13.0"
numpy = ">=1.26.0"

# how it is checked
[tool.ruff]
line-length = 99
"""
    )


def test_a_stack_in_a_uv_project_is_a_group_with_torch_from_an_explicit_index() -> None:
    assert write(UV, "uv", "mainline").text == (
        """\
[project]
name = "toy"  # mine
dependencies = [
  "rich",  # prints
]

[dependency-groups]
dev = ["pytest"]  # tests
mainline = [
  "torch==2.9.1+cu126",
  "transformers>=5.0.0,<5.1.0",
  "peft>=0.18.0,<0.19.0",
  "accelerate>=1.12.0,<1.13.0",
  "numpy>=1.26.0",
]

# how it is locked
[tool.uv]
package = false

[[tool.uv.index]]
name = "torch-cu126"
url = "https://download.pytorch.org/whl/cu126"
explicit = true

[tool.uv.sources]
torch = {index = "torch-cu126"}
"""
    )


@pytest.mark.parametrize("tool", START)
@pytest.mark.parametrize("build", [LINUX, WINDOWS])
def test_a_stack_is_switched_to_another_as_if_that_had_been_the_first(
    tool: str, build: str
) -> None:
    once = write(START[tool], tool, "mainline", "flashattn", machine=build).text
    direct = read(write(START[tool], tool, "legacy", machine=build).text)
    assert read(write(once, tool, "legacy", machine=build).text) == direct
    back = write(write(once, tool, "legacy").text, tool, "mainline", "flashattn", machine=build)
    assert read(back.text) == read(once)


@pytest.mark.parametrize("tool", START)
def test_an_add_on_comes_to_its_stack_and_stays_until_torch_is_another(tool: str) -> None:
    made = write(START[tool], tool, "mainline").text
    made = write(made, tool, "mainline", "flashattn").text
    assert write(made, tool, "mainline").text == made
    changes = write(made, tool, "mainline", machine=LINUX.replace("4090", "5090")).changes
    assert any(text.startswith("group flashattn goes") for text in changes)


@pytest.mark.parametrize(
    ("machine", "marker"),
    [
        (LINUX, "sys_platform == 'linux' and platform_machine == 'x86_64'"),
        (WINDOWS, "sys_platform == 'win32' and platform_machine == 'AMD64'"),
    ],
)
def test_a_wheel_by_address_is_for_the_machine_that_it_was_chosen_for(
    machine: str, marker: str
) -> None:
    names, marker = ("mainline", "flashattn"), f"{marker} and python_version == '3.12'"
    groups = read(write(POETRY, "poetry", *names, machine=machine).text)["tool"]["poetry"]["group"]
    assert groups["flashattn"]["dependencies"]["flash-attn"]["markers"] == marker
    flashattn = read(write(UV, "uv", *names, machine=machine).text)["dependency-groups"]
    assert flashattn["flashattn"][0].endswith(f".whl ; {marker}")


def test_what_the_main_dependencies_have_is_changed_there() -> None:
    text = POETRY.replace(
        'rich = "*"',
        'Torch = {version = "^2.1", extras = ["opt"]}  # ours\nnumpy = "^2.0"\nrich = "*"',
    )
    made = read(write(text, "poetry", "mainline").text)["tool"]["poetry"]
    assert made["dependencies"]["Torch"] == {
        "version": "==2.9.1+cu126", "extras": ["opt"], "source": "torch-cu126",
    }  # fmt: skip
    assert "  # ours\n" in write(text, "poetry", "mainline").text
    assert "torch" not in made["group"]["mainline"]["dependencies"]
    # a release that is new enough is all that is asked of it
    assert made["dependencies"]["numpy"] == "^2.0"
    assert made["group"]["mainline"]["dependencies"]["numpy"] == ">=1.26.0"


@pytest.mark.parametrize("tool", START)
def test_a_list_of_requirements_keeps_its_comments_extras_and_markers(tool: str) -> None:
    own = "[tool.poetry]\npackage-mode = false\n" if tool == "poetry" else "[tool.uv]\n"
    line = "  \"torch[opt]>=2 ; sys_platform != 'darwin'\",  # ours\n"
    text = f'[project]\nname = "toy"\ndependencies = [\n{line}  "rich",\n]\n\n{own}'
    made = write(text, tool, "mainline").text
    assert "  \"torch[opt]==2.9.1+cu126 ; sys_platform != 'darwin'\",  # ours\n" in made
    table = read(made)["tool"][tool]
    if tool == "poetry":
        assert table["dependencies"] == {"torch": {"source": "torch-cu126"}}
    else:
        assert table["sources"] == {"torch": {"index": "torch-cu126"}}
    assert '"torch[opt]==2.6.0+cu124 ;' in write(made, tool, "legacy").text


def test_install_finds_the_groups_that_were_written() -> None:
    made = write(POETRY, "poetry", "mainline", "flashattn")
    assert made.groups == ("mainline", "flashattn")
    asked = [EVERY["mainline"], EVERY["flashattn"]]
    assert carriers(read(made.text), asked) == Carriers(("mainline", "flashattn"))


@pytest.mark.parametrize("tool", START)
def test_what_somebody_added_to_a_group_stays_when_its_stack_goes(tool: str) -> None:
    made = write(START[tool], tool, "mainline").text
    if tool == "poetry":
        made = made.replace('peft = ">=', '# for our server\nfastapi = "*"\npeft = ">=')
    else:
        made = made.replace('  "peft', '  "fastapi",  # for our server\n  "peft')
    data = read(write(made, tool, "legacy").text)
    if tool == "poetry":
        assert data["tool"]["poetry"]["group"]["mainline"]["dependencies"] == {"fastapi": "*"}
    else:
        assert data["dependency-groups"]["mainline"] == ["fastapi"]
    assert "# for our server" in write(made, tool, "legacy").text


def test_an_explicit_index_of_the_same_address_is_used_under_its_name() -> None:
    address = "https://download.pytorch.org/whl/cu126/"
    own = f'[[tool.poetry.source]]\nname = "pytorch"\nurl = "{address}"\npriority = "explicit"\n'
    table = read(write(POETRY + own, "poetry", "mainline").text)["tool"]["poetry"]
    assert [source["name"] for source in table["source"]] == ["pytorch"]
    assert table["group"]["mainline"]["dependencies"]["torch"]["source"] == "pytorch"
    switched = read(write(POETRY + own, "poetry", "legacy").text)["tool"]["poetry"]["source"]
    assert [source["name"] for source in switched] == ["pytorch", "torch-cu124"]


def test_an_index_that_something_else_comes_from_stays() -> None:
    made = write(UV, "uv", "mainline").text
    made += 'torchvision = { index = "torch-cu126" }\n'
    table = read(write(made, "uv", "legacy").text)["tool"]["uv"]
    assert [index["name"] for index in table["index"]] == ["torch-cu126", "torch-cu124"]
    assert table["sources"]["torchvision"] == {"index": "torch-cu126"}


def test_a_wheel_of_the_main_dependencies_is_named_where_torch_is_another() -> None:
    wheel = "https://a.test/flash_attn-2.8.3+cu126torch2.9-cp312-cp312-linux_x86_64.whl"
    text = POETRY.replace("rich =", f'flash-attn = {{url = "{wheel}"}}\nrich =')
    made = write(write(text, "poetry", "mainline").text, "poetry", "legacy")
    assert any("flash-attn of the main dependencies stays" in text for text in made.changes)
    assert wheel in made.text


def test_a_manifest_without_any_table_gets_its_first_ones() -> None:
    assert set(read(write("", "uv", "mainline").text)) == {"tool", "dependency-groups"}


def test_line_ends_of_windows_stay() -> None:
    made = write(POETRY.replace("\n", "\r\n"), "poetry", "mainline").text
    assert made == write(POETRY, "poetry", "mainline").text.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("tool", "text", "said"),
    [
        (
            "poetry",
            POETRY + '[tool.poetry.group]\ndev.dependencies.x = "1"\nmainline = {}\n',
            "own",
        ),
        ("poetry", POETRY.replace("rich =", 'torch = ["1", "2"]\nrich ='), "more than once"),
        ("uv", UV.replace('"rich",', '"torch>2", "torch<2",'), "more than once"),
        ("uv", UV + 'index = [{ name = "a", url = "https://a.test" }]\n', "its own"),
        ("uv", UV.replace("\n", "\r\n", 1), "line ends"),
    ],
)
def test_what_cannot_be_changed_as_it_is_written_is_refused(
    tool: str, text: str, said: str
) -> None:
    tomllib.loads(text)
    with pytest.raises(NotWritableError, match=said):
        write(text, tool, "mainline")


# Each of them somebody else's: what stands there comes through, to the byte.
FOREIGN = {
    "any": (
        '# checked\n[tool.black]  # ours\nx = 99\n\n[tool.black.y]\nz = [\n  "E",  # errors\n]\n',
        '[build-system]\nrequires = ["hatchling"]\n# done\n',
        '[tool.mypy]\nstrict    =   true\n[[tool.mypy.overrides]]\nmodule = ["a.*"]\n',
        "[tool.pytest.ini_options]\naddopts = '''\n[not.a.table]\n-ra\n'''\n",
        '[project.urls]\n"Home page" = "https://toy.test"\n',
    ),
    "poetry": (
        '[tool.poetry.group.dev.dependencies]\npytest = "^8"   # tests\n',
        '[tool.poetry.scripts]\ntoy = "toy:main"\n',
        '# ours\n[[tool.poetry.source]]\nname = "ours"\nurl = "https://ours.test"  # inside\n',
    ),
    "uv": (
        '[tool.uv.workspace]\nmembers = ["a/*"]  # all\n',
        '[[tool.uv.index]]\nname = "ours"\nurl = "https://ours.test"  # inside\n',
    ),
}
SEQUENCES = (("mainline",), ("mainline", "flashattn"), ("legacy",), ("cpu",), ("legacy", "triton"))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), tool=st.sampled_from(sorted(START)))
def test_everything_else_survives_every_switch_to_the_byte(data: st.DataObject, tool: str) -> None:
    there = (*FOREIGN["any"], *FOREIGN[tool])
    blocks: Sequence[str] = data.draw(st.permutations([START[tool], *there]))
    text = "\n".join(block.rstrip("\n") + "\n" for block in blocks)
    read(text)
    for names in data.draw(st.lists(st.sampled_from(SEQUENCES), min_size=1, max_size=3)):
        text = write(text, tool, *names).text
        assert [block for block in there if block.rstrip("\n") not in text] == []
