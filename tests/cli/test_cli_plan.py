"""What a plan tells: the chain of reasons, every package, what works instead, how old it all is."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.runs import Desk
from install.conftest import World
from llmdoctor import profiles, sources, tables
from llmdoctor.plan import Alternative, Change, Choice, Plan, Requirement, Resolved, Target
from llmdoctor.render import documents, plans, terminal
from llmdoctor.resolve import resolve
from llmdoctor.target import assume
from support.index import LoopbackIndex

KNOWN = tuple(profiles.builtin().values())
MACHINE = "gpu=RTX 4090,driver=560.35.03"


@pytest.fixture
def world(tmp_path: Path, loopback_index: LoopbackIndex) -> World:
    return World(tmp_path, loopback_index)


def planned(machine: str, *names: str, variant: str = "auto") -> Plan:
    wanted = [profiles.find(name) for name in names]
    choice = resolve(wanted, KNOWN, assume([machine]), variant=variant)
    return Plan(choice, ".venv", source=sources.expected(choice) if choice.feasible else None)


def shown(
    made: Plan, *names: str, verbose: bool = False, width: int = 80, **asked: Any
) -> list[str]:
    what = plans.Asked(names, **asked)
    return terminal.document(
        lambda paper: plans.plan(made, paper, what, verbose=verbose),
        width=width, colour=False, unicode=True,
    ).splitlines()  # fmt: skip


def joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def commands(lines: list[str]) -> list[list[str]]:
    return [shlex.split(line.strip()[2:]) for line in lines if line.strip().startswith("$ ")]


# the chain of reasons


def test_verbose_numbers_every_reason_from_the_stack_to_the_wheels() -> None:
    made = planned(MACHINE, "flashattn")
    text = joined(shown(made, "flashattn", verbose=True))
    places = []
    for number, reason in enumerate(made.choice.reasons, 1):
        said = " ".join(f"{number}. {reason.code}: {reason.text}".split())
        assert said in text
        places.append(text.index(said))
    assert places == sorted(places)
    codes = [reason.code for reason in made.choice.reasons]
    assert codes[:5] == ["stack", "python", "driver", "gpu", "variant"]
    assert "wheel" in codes
    for fact in ("linux x86_64", "glibc 2.35", "Python 3.12", "RTX 4090", "driver 560.35.03"):
        assert fact in text.partition(" why ")[0]


def test_verbose_says_why_this_stack() -> None:
    unasked = joined(shown(planned(MACHINE, "flashattn"), "flashattn", verbose=True))
    assert "the first stack that carries flashattn on this machine" in unasked
    made = planned(MACHINE, "mainline", "flashattn")
    asked = joined(shown(made, "mainline", "flashattn", verbose=True))
    assert "Transformers 5.0; it was asked for" in asked


@pytest.mark.parametrize(
    ("names", "machine", "feasible"),
    [
        (("flashattn",), MACHINE, True),
        (("flashattn",), "gpu=T4,driver=535.183.01", False),
        (("mainline",), "gpu=RTX 5090,driver=580.95.05", True),
    ],
)
def test_verbose_says_every_candidate_and_its_rejection(
    names: tuple[str, ...], machine: str, feasible: bool
) -> None:
    made = planned(machine, *names)
    assert made.choice.feasible is feasible
    assert made.choice.rejected
    text = joined(shown(made, *names, verbose=True))
    for item in made.choice.rejected:
        assert " ".join(f"{item.candidate}: {item.reason}".split()) in text


# packages


def test_a_live_plan_knows_the_address_and_hash_of_every_package(world: World) -> None:
    document = world.json("plan", "--profile", "cpu")
    assert {row["name"] for row in document["packages"]} >= {"torch", "peft", "tokenizers"}
    for row in document["packages"]:
        wheel = world.wheels / Path(row["url"].replace("%2B", "+")).name
        assert row["sha256"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
        assert row["size"] is None  # a page of links tells none
        assert wheel.name.split("-")[1] == row["version"]
    lines = [
        line.strip() for line in world.run("plan", "--profile", "cpu", "-v").stdout.splitlines()
    ]
    for number, row in enumerate(document["packages"], 1):
        place = lines.index(f"{number}. {row['name']} {row['version']}, from an index")
        rest = lines[place : place + 6]
        assert row["url"] in rest
        assert f"sha256 {row['sha256']}" in rest
        assert "not known: size" in rest


def test_a_package_that_was_asked_for_says_why(world: World) -> None:
    rows = {row["name"]: row for row in world.json("plan", "--profile", "cpu")["packages"]}
    assert rows["tokenizers"]["reason"] is None
    (peft,) = [want for want in profiles.find("cpu").packages if want.name == "peft"]
    assert rows["peft"]["reason"] == peft.reason
    assert f"why: {peft.reason}" in world.run("plan", "--profile", "cpu", "-v").stdout


def test_a_wheel_of_the_catalogue_has_its_version_and_address_and_no_made_up_hash() -> None:
    rows = {row["name"]: row for row in documents.packages(planned(MACHINE, "flashattn"))}
    wheel = rows["flash-attn"]
    assert wheel["source"] == "wheel"
    assert wheel["url"].startswith("https://github.com/")
    assert f"flash_attn-{wheel['version']}-".replace("+", "%2B") in wheel["url"]
    assert (wheel["sha256"], wheel["size"]) == (None, None)
    assert (rows["torch"]["version"], rows["torch"]["url"]) == ("2.9.1+cu126", None)
    assert rows["transformers"]["version"] is None  # a range


def test_what_is_known_of_a_package_is_shown_and_what_is_not_is_said() -> None:
    choice = Choice(("cpu",), Target(), feasible=True, torch="2.13.0", variant="cpu")
    known = Resolved("a", "1.0", "index", "https://x.example/a-1.0.whl", "f" * 64, 12_345_678)
    unknown = Resolved("b", "2.0", "sdist")
    made = Plan(choice, ".venv", changes=(Change(known, "0.9"), Change(unknown)))
    lines = [line.strip() for line in shown(made, "cpu", verbose=True)]
    place = lines.index("1. a 1.0, from an index, now 0.9")
    assert lines[place + 1 : place + 4] == [
        "https://x.example/a-1.0.whl", f"sha256 {'f' * 64}", "size 12 MB",
    ]  # fmt: skip
    place = lines.index("2. b 2.0, built from source")
    assert lines[place + 1] == "not known: address, sha256, size"
    assert "to download: 12 MB, and 1 whose size is not known" in lines


def test_a_password_in_an_address_is_not_shown() -> None:
    secret = "https://user:s3cret@x.example/"
    choice = Choice(
        ("cpu",), Target(), feasible=True, torch="2.13.0", variant="cpu",
        requirements=(Requirement("y", f"y @ {secret}y-1.0-z.whl", "wheel", f"{secret}y-1.0-z.whl"),),
    )  # fmt: skip
    resolved = Plan(choice, ".venv", changes=(Change(Resolved("a", "1", url=f"{secret}a.whl")),))
    for made in (resolved, Plan(choice, ".venv")):
        told = [str(documents.plan(made, {})), *shown(made, verbose=True), *shown(made)]
        assert not [text for text in told if "s3cret" in text]
        assert any("https://x.example/" in text for text in told)


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("verbose", [False, True])
def test_addresses_and_commands_stay_whole_and_the_rest_keeps_to_the_width(
    verbose: bool, columns: int
) -> None:
    made = planned(MACHINE, "mainline", "flashattn", "mamba")
    lines = shown(made, "mainline", verbose=verbose, width=columns)
    urls = [item.url for item in made.choice.requirements if item.url]
    assert urls
    assert set(urls) <= {line.strip() for line in lines}
    long = [line.strip() for line in lines if len(line) > columns]
    words = [line.removeprefix("from the PyTorch index").lstrip("·0123456789. ") for line in long]
    assert [line for line in words if " " in line] == []


# what works instead


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        (("--profile", "flashattn"), ("os=linux",)),
        (("--profile", "flashattn", "--env", "my env"), ("gpu=T4", "driver=535.183.01")),
        (("--profile", "mainline"), ("gpu=RTX 4090,driver=400.10",)),
        (("--profile", "mainline", "--variant", "cu130"), ("gpu=GTX 1080 Ti,driver=560.35.03",)),
        (("--profile", "legacy", "--profile", "triton"), ("gpu=RTX 5090", "driver=580.95.05")),
    ],
)
def test_every_command_that_is_proposed_gives_a_plan_as_it_stands(
    words: tuple[str, ...], pairs: tuple[str, ...], desk: Desk
) -> None:
    assumed = [word for pair in pairs for word in ("--assume", pair)]
    lines = desk.run("plan", *words, *assumed, code=1).stdout.splitlines()
    proposed = commands(lines)
    assert proposed
    for argv in proposed:
        assert argv[:2] == ["llmdoctor", "plan"]
        document = desk.json(*argv[1:], code=0)
        assert document["feasible"]
        assert ("--env" in argv) == ("--env" in words)


def test_a_live_plan_proposes_installs_that_keep_what_else_was_typed(world: World) -> None:
    words = ("--env", "my env", "--no-smoke", "--installer", "pip")
    lines = world.run("plan", "--profile", "flashattn", *words, code=1).stdout.splitlines()
    proposed = commands(lines)
    (cpu,) = [argv for argv in proposed if argv[2:4] == ["--profile", "cpu"]]
    assert cpu[:2] == ["llmdoctor", "install"]
    world.run(*cpu[1:], "--yes")
    assert (world.project / "my env" / "pyvenv.cfg").exists()


def test_a_proposed_command_keeps_the_index_and_hides_its_password(desk: Desk) -> None:
    words = ("--index-url", "https://user:s3cret@x.example/simple", "--find-links", "a b")
    done = desk.run("plan", "--profile", "flashattn", *words, "--assume", "os=linux", code=1)
    assert "s3cret" not in done.stdout
    for argv in commands(done.stdout.splitlines()):
        assert argv[-4:] == ["--index-url", "https://x.example/simple", "--find-links", "a b"]


def test_a_build_that_does_not_fit_is_answered_without_the_option_that_named_it() -> None:
    made = planned("gpu=GTX 1080 Ti,driver=560.35.03", "mainline", variant="cu130")
    lines = shown(made, "mainline", forced=True)
    assert ["llmdoctor", "install", "--profile", "mainline"] in commands(lines)
    assert not any("--variant" in argv for argv in commands(lines))


def test_a_newer_driver_is_nothing_to_type() -> None:
    made = planned("gpu=RTX 4090,driver=400.10", "flashattn")
    lines = shown(made, "flashattn")
    assert "with a newer NVIDIA driver" in joined(lines)
    assert ["llmdoctor", "install", "--profile", "flashattn"] not in commands(lines)
    assert commands(lines)


def test_a_profile_in_a_file_is_proposed_by_its_path() -> None:
    choice = Choice(
        ("mainline", "mine"), Target(), feasible=False,
        alternatives=(
            Alternative(("legacy", "mine"), "the legacy stack (torch 2.6.0+cu124)", fits_here=True),
        ),
    )  # fmt: skip
    lines = shown(Plan(choice, ".venv"), "mine", spelled={"mine": "my own.toml"})
    assert commands(lines) == [
        ["llmdoctor", "install", "--profile", "legacy", "--profile", "my own.toml"]
    ]


def test_a_command_inside_a_sentence_is_not_broken() -> None:
    typed = "`llmdoctor install --profile cpu --find-links DIR`"
    choice = Choice(
        ("cpu",), Target(), feasible=False, alternatives=(Alternative(("cpu",), f"{typed}, where"),)
    )
    for width in (40, 80):
        lines = shown(Plan(choice, ".venv"), "cpu", width=width)
        assert any(typed in line for line in lines)
        assert commands(lines) == []


# how old it is


def test_a_check_and_a_plan_name_the_tables_that_they_rest_on(desk: Desk) -> None:
    plan = desk.json("plan", "--profile", "flashattn", "--assume", MACHINE)
    assert {"torch", "gpu", "driver", "wheels/flash-attn-community"} <= plan["tables"].keys()
    cpu = desk.json("plan", "--profile", "cpu", "--assume", "os=linux")
    assert "torch" in cpu["tables"]
    assert "wheels/flash-attn-community" not in cpu["tables"]
    case = str(Path(__file__).parents[1] / "cases" / "healthy-rtx-4090" / "machine.json")
    check = desk.json("check", "--from", case, "--profile", "mainline")
    assert {"torch", "gpu"} <= check["tables"].keys()
    for document in (plan, cpu, check):
        for name, date in document["tables"].items():
            assert date == tables.table_date(name)
    said = joined(desk.run("check", "--from", case, "--profile", "mainline", "-v").stdout.split())
    assert f"driver {tables.table_date('driver')}" in said.partition("judged from the tables:")[2]


@pytest.mark.parametrize(
    ("today", "old"),
    [
        ("2027-03-01", ()),
        ("2027-03-01T23:59:59+00:00", ()),
        ("2027-03-02T00:00:00+00:00", ("b",)),
        ("2028-02-29", ("b", "a")),
        ("2030-01-01", ("b", "a")),
    ],
)
def test_a_table_is_out_of_date_after_a_year(today: str, old: tuple[str, ...]) -> None:
    assert tables.outdated({"a": "2026-11-20", "b": "2026-03-01"}, today) == old
    assert tables.outdated({}, today) == ()


def aged(today: str, *, verbose: bool) -> str:
    dates = {"gpu": "2026-11-20", "torch": "2026-03-01"}
    return terminal.document(
        lambda paper: terminal.ages(dates, today, paper, verbose=verbose),
        width=80, colour=False, unicode=True,
    )  # fmt: skip


def test_old_tables_are_told_unasked_and_young_ones_only_when_asked() -> None:
    assert aged("2026-12-01", verbose=False) == ""
    assert aged("2026-12-01", verbose=True) == (
        "judged from the tables: gpu 2026-11-20, torch 2026-03-01\n"
    )
    told = aged("2027-06-01", verbose=False)
    assert "not checked for over a year: torch (2026-03-01)" in told
    assert "gpu" not in told


def test_what_was_assumed_is_said_unasked_and_a_live_machine_only_when_asked() -> None:
    made = planned("os=windows,gpu=RTX 4090,driver=560.94", "mainline")
    told = joined(shown(made, "mainline"))
    assert "assumed: windows x86_64, Python 3.12, RTX 4090 (compute" in told
    assert "8.9), driver 560.94" in told
    live = replace(
        made, choice=replace(made.choice, target=replace(made.choice.target, assumed=False))
    )
    assert "driver 560.94, " not in joined(shown(live, "mainline"))
    assert "assumed" not in joined(shown(live, "mainline"))
    assert "assumed: " in joined(shown(planned("python=3.8", "cpu"), "cpu"))


def test_a_dockerfile_for_windows_is_refused_with_the_same_for_linux(desk: Desk) -> None:
    words = ("plan", "--profile", "flashattn", "--export", "dockerfile", "--assume")
    said = desk.run(*words, "os=windows,gpu=RTX 4090,driver=560", code=2).stderr
    assert "a Dockerfile is for Linux" in said
    assert "'os=linux,gpu=RTX 4090,driver=560'" in said


def test_build_is_kept_where_something_is_compiled_and_moot_where_nothing_is(desk: Desk) -> None:
    ada = ("--assume", "gpu=RTX 4090,driver=580.95.05", "--build")
    moot = "--build does nothing here: none of this has to be compiled"
    wheels = desk.json("plan", "--profile", "mainline", "--profile", "flashattn", *ada)
    assert moot in [reason["text"] for reason in wheels["reasons"]]
    compiled = desk.json("plan", "--profile", "edge", "--profile", "mamba", *ada)
    assert moot not in [reason["text"] for reason in compiled["reasons"]]
    no_gpu = desk.run("plan", "--profile", "flashattn", "--assume", "os=linux", "--build", code=1)
    proposed = commands(no_gpu.stdout.splitlines())
    assert proposed
    assert not any("--build" in argv for argv in proposed)
    old = ("--assume", "gpu=RTX 4090,driver=580.95.05,python=3.14", "--build")
    refused = desk.run(
        "plan", "--profile", "cpu", "--profile", "mamba", *old, "--build", code=1
    ).stdout.splitlines()
    kept = [argv for argv in commands(refused) if "mamba" in argv]
    assert kept
    assert all("--build" in argv for argv in kept)
