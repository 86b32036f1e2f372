"""`llmdoctor profiles`: what fits a machine and with what, the one reason why not, one in full."""

from __future__ import annotations

import pytest

from cli.runs import Desk
from llmdoctor import profiles, wire
from llmdoctor.plan import Plan
from llmdoctor.profile import Profile
from llmdoctor.render import catalogue, terminal
from llmdoctor.resolve import resolve
from llmdoctor.target import assume

KNOWN = tuple(profiles.builtin().values())


def on(machine: str, *names: str) -> list[tuple[Profile, Plan]]:
    wanted = [profiles.find(name) for name in names] or list(KNOWN)
    facts = assume([machine])
    return [(profile, Plan(resolve([profile], KNOWN, facts), ".venv")) for profile in wanted]


def table(machine: str, *names: str, width: int = 80, verbose: bool = False) -> list[str]:
    rows = on(machine, *names)
    return terminal.document(
        lambda paper: catalogue.table(rows, paper, verbose=verbose),
        width=width, colour=False, unicode=True,
    ).splitlines()  # fmt: skip


def in_full(machine: str, name: str, *, verbose: bool = False) -> list[str]:
    ((profile, made),) = on(machine, name)
    return terminal.document(
        lambda paper: catalogue.one(profile, made, paper, spelled=name, verbose=verbose),
        width=80, colour=False, unicode=True,
    ).splitlines()  # fmt: skip


def joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


# the table


def test_every_profile_says_what_it_fits_with_or_the_one_reason_why_not(desk: Desk) -> None:
    document = desk.json("profiles")
    shown = joined(desk.run("profiles").stdout.splitlines())
    assert {row["name"] for row in document["profiles"]} == set(profiles.builtin())
    for row in document["profiles"]:
        assert row["fits"] is (row["reason"] is None)
        if row["fits"]:
            on = "" if row["kind"] == "stack" else f" on {row['with'][0]}"
            text = f"fits{on}: torch {row['torch']}+{row['variant']}"
        else:
            assert row["reason"] in [reason["text"] for reason in row["reasons"]]
            text = f"does not fit: {row['reason']}"
        assert f"{row['name']} {row['title']} {text}" in shown


@pytest.mark.parametrize(
    ("name", "machine", "code"),
    [
        ("flashattn", "os=linux", "needs-gpu"),
        ("gb10", "os=linux", "no-gpu"),
        ("mainline", "os=windows,arch=arm64", "platform"),
        ("flashattn", "gpu=T4,driver=535.183.01", "compute-capability"),
        ("flashattn", "gpu=GB10,arch=aarch64,glibc=2.39,driver=580.95", "arm64-flash-attn"),
        ("retention", "gpu=RTX 5090,driver=580.95,python=3.10", "python"),
        ("retention", "gpu=RTX 5090,driver=580.95,os=windows", "retention-name-squat"),
        ("mamba", "gpu=RTX 4090,driver=560.94,python=3.14", "no-wheel"),
        ("mainline", "gpu=RTX 4090,driver=400.10", "driver-too-old"),
        ("mainline", "gpu=RTX 4090,driver=none", "driver-missing"),
        ("legacy", "gpu=RTX 5090,driver=580.95", "gpu-architecture"),
        ("gb10", "gpu=GTX 1080 Ti,driver=535.183.01", "gpu-architecture"),  # no driver helps
        ("edge", "gpu=RTX 5090,driver=575.57.08", "driver-too-old"),  # a newer one does
        ("mainline", "gpu=RTX 4090,driver=560.94,glibc=2.17", "libc"),
    ],
)
def test_the_reason_is_what_is_really_in_the_way(name: str, machine: str, code: str) -> None:
    ((_, made),) = on(machine, name)
    assert not made.choice.feasible
    assert catalogue.decisive(made.choice).code == code
    shown = joined(table(machine, name))
    assert shown.count("does not fit: ") == 1
    assert f"does not fit: {catalogue.decisive(made.choice).text}" in shown


def test_a_wheel_is_named_whole_on_a_line_of_its_own() -> None:
    machine = "gpu=RTX 4090,driver=560.94"
    ((_, made),) = on(machine, "flashattn")
    (requirement,) = [item for item in made.choice.requirements if item.name == "flash-attn"]
    ((filename, url),) = catalogue.wheels(made.choice)
    assert url == requirement.url
    assert "+" in filename
    assert filename.replace("+", "%2B") == url.rpartition("/")[2]
    for width in (40, 80):
        assert filename in [line.strip() for line in table(machine, "flashattn", width=width)]
    assert url in [line.strip() for line in in_full(machine, "flashattn")]


def test_an_add_on_names_the_first_stack_that_carries_it() -> None:
    old = "gpu=RTX 4090,driver=560.94,glibc=2.17"
    assert "fits on legacy: torch 2.6.0+cu124" in joined(table(old, "flashattn"))
    assert "fits on mainline: torch 2.9.1+cu126" in joined(
        table("gpu=RTX 4090,driver=560.94", "flashattn")
    )


def test_an_add_on_that_fits_no_stack_by_itself_names_one_that_has_to_be_asked_for() -> None:
    """A stack for the processor is never taken unasked where there is a GPU."""
    addon = Profile("mine", "addon", "Mine", "Mine alone.", imports=())
    known = (*KNOWN, addon)
    made = Plan(resolve([addon], known, assume(["gpu=RTX 4090,driver=400.10"])), ".venv")
    shown = terminal.document(
        lambda paper: catalogue.table([(addon, made)], paper, verbose=False),
        width=80, colour=False, unicode=True,
    )  # fmt: skip
    assert "→ cpu + mine: the cpu stack" in joined(shown.splitlines())


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("machine", ["os=linux", "gpu=RTX 4090,driver=560.94"])
def test_the_table_keeps_to_the_width_of_the_terminal(
    machine: str, verbose: bool, columns: int
) -> None:
    lines = table(machine, width=columns, verbose=verbose)
    long = [line for line in lines if len(line) > columns and " " in line.strip().lstrip("· ")]
    assert long == []


def test_verbose_says_every_candidate_and_its_rejection() -> None:
    machine = "gpu=RTX 5090,driver=580.95"
    shown = joined(table(machine, verbose=True))
    for _, made in on(machine):
        for item in made.choice.rejected:
            assert " ".join(f"{item.candidate}: {item.reason}".split()) in shown


# one of them


@pytest.mark.parametrize("profile", KNOWN, ids=lambda profile: profile.name)
def test_one_in_full_shows_everything_that_is_written_in_it(profile: Profile) -> None:
    brief, verbose = (
        joined(in_full("gpu=RTX 4090,driver=560.94", profile.name, verbose=more))
        for more in (False, True)
    )
    for shown in (brief, verbose):
        for text in (profile.title, profile.summary, profile.python_reason, *profile.notes):
            assert text in shown
        for want in profile.packages:
            name = want.name + (want.spec if want.origin == "index" else "")
            for text in (name, want.reason, f"{want.source}, checked {want.checked}"):
                assert " ".join(text.split()) in shown
        for rule in profile.exclusions:
            for text in (rule.reason, f"override: --allow {rule.code}", rule.source):
                assert text in shown
    for left in profile.left_out:
        assert f"{left.name}{left.spec}: {left.reason}" in verbose
        assert f"{left.name}{left.spec}: {left.reason}" not in brief


def test_one_in_full_says_how_much_room_it_takes_or_that_nobody_measured() -> None:
    assert "7.16 GB on disk, measured" in joined(in_full("os=linux", "mainline"))
    unmeasured = Profile("x", "stack", "X", "X.", torch=profiles.find("cpu").torch)
    assert "room on disk: not measured" in catalogue.needs(unmeasured)


def test_one_in_full_that_does_not_fit_says_what_to_type_instead(desk: Desk) -> None:
    lines = desk.run("profiles", "flashattn").stdout.splitlines()
    assert "    $ llmdoctor install --profile cpu" in lines
    assert lines[-1] == "  $ llmdoctor plan --profile flashattn"


def test_a_profile_in_a_file_is_named_by_its_path_in_commands(desk: Desk) -> None:
    text = 'name = "mine"\nkind = "addon"\ntitle = "Mine"\nsummary = "Mine alone."\n'
    (desk.project / "my own.toml").write_text(text)
    lines = desk.run("profiles", "my own.toml").stdout.splitlines()
    assert lines[-1] == "  $ llmdoctor plan --profile 'my own.toml'"


def test_the_document_holds_a_profile_whole_where_it_was_asked_for(desk: Desk) -> None:
    (row,) = desk.json("profiles", "flashattn")["profiles"]
    assert wire.load(Profile, row["definition"]) == profiles.find("flashattn")
    assert all(row["definition"] is None for row in desk.json("profiles")["profiles"])
