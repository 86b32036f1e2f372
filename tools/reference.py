# ruff: noqa: INP001 - a program, not a package
"""Write the reference: profiles, tables and causes from TOML, checks from their own words.

    python tools/reference.py

Nothing in the pages depends on the day or the machine: the same files give the same pages. Tables
that nobody checked for over a year are named at the end.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import reference_causes
import reference_checks

from llmdoctor import profiles, tables
from llmdoctor.paths import profiles_dir
from llmdoctor.plan import Choice
from llmdoctor.profile import Profile
from llmdoctor.promises import PLACES
from llmdoctor.render import catalogue
from llmdoctor.resolve import resolve
from llmdoctor.tables.read import read_table
from llmdoctor.target import assume

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
RUN = "nox -s reference"

# Well-known machines, all with Python 3.12; the newest driver named here is of the 580 branch.
MACHINES = {
    "GTX 1080 Ti, Linux, driver 535": "gpu=GTX 1080 Ti,driver=535.183.01",
    "Tesla V100, Linux, driver 550": "gpu=V100,driver=550.54.14",
    "Tesla T4, Linux, driver 535": "gpu=T4,driver=535.183.01",
    "RTX 3090, WSL 2, driver 560": "gpu=RTX 3090,driver=560.94,wsl=2",
    "A100, Linux, driver 525": "gpu=A100,driver=525.60.13",
    "RTX 4090, Linux, driver 560": "gpu=RTX 4090,driver=560.35.03",
    "RTX 4090, Windows, driver 581": "gpu=RTX 4090,driver=581.57,os=windows",
    "H100, Linux, driver 580": "gpu=H100,driver=580.95.05",
    "RTX 5090, Linux, driver 580": "gpu=RTX 5090,driver=580.95.05",
    "B200, Linux, driver 580": "gpu=B200,driver=580.95.05",
    "RTX 4090 and RTX 5090, Linux, driver 580": "gpu=RTX 4090,gpu=RTX 5090,driver=580.95.05",
    "GH200, Linux aarch64, driver 580": "gpu=GH200,driver=580.95.05,arch=aarch64",
    "GB10 (DGX Spark), Linux aarch64, driver 580": (
        "gpu=GB10,driver=580.95.05,arch=aarch64,glibc=2.39"
    ),
    "Linux without a GPU": "os=linux",
    "Windows without a GPU": "os=windows",
    "Mac with Apple silicon": "os=macos,arch=arm64",
}


def pages() -> dict[str, str]:
    """Every page, by its path below docs/reference."""
    known = tuple(profiles.builtin().values())
    found = {f"profiles/{profile.name}.md": profile_page(profile, known) for profile in known}
    return {
        **found,
        "profiles/README.md": index_page(known),
        "tables.md": tables_page(),
        "causes.md": reference_causes.page(),
        **reference_checks.pages(),
    }


def choices(profile: Profile, known: tuple[Profile, ...]) -> dict[str, Choice]:
    """What the resolver decides for each of the machines."""
    return {name: resolve([profile], known, assume([facts])) for name, facts in MACHINES.items()}


def profile_page(profile: Profile, known: tuple[Profile, ...]) -> str:
    """Everything that is written in a profile, and where it fits."""
    kind = "A stack" if profile.kind == "stack" else "An add-on"
    lines = [
        f"# {profile.name}: {plain(profile.title)}",
        "",
        generated(f"profiles/{profile.name}.toml"),
        "",
        f"{kind}. {plain(profile.summary)}",
        "",
        *fenced(f"llmdoctor install --profile {profile.name}"),
        "## What it installs",
        "",
        *installs(profile),
        "## What it needs",
        "",
        *(f"- {plain(need)}" for need in catalogue.needs(profile)),
        "",
        *promises(profile),
        *exclusions(profile),
        *listed("Notes", [plain(note) for note in profile.notes]),
        "## Where it fits",
        "",
        "With Python 3.12, as `llmdoctor plan --assume` says it.",
        "",
        *row("machine", "outcome"),
        *("|" + "---|" * 2,),
    ]
    for name, choice in choices(profile, known).items():
        lines += row(name, outcome(profile, choice))
    lines.append("")
    if profile.left_out:
        lines += [
            "## Left out on purpose",
            "",
            "Requirements of its sources that it does not take over.",
            "",
        ]
        lines += [*row("requirement", "why", "source"), "|" + "---|" * 3]
        for left in profile.left_out:
            lines += row(
                code(f"{left.name} {left.spec}".strip()), plain(left.reason), plain(left.source)
            )
        lines.append("")
    return "\n".join(lines)


def installs(profile: Profile) -> Iterator[str]:
    """The table of its packages, torch first."""
    yield from row("package", "why", "source", "checked")
    yield "|" + "---|" * 4
    if torch := profile.torch:
        builds = ", ".join(torch.variants)
        name = f"{code(f'torch=={torch.version}')}, the first of these builds that fits: {builds}"
        yield from row(name, plain(torch.reason), plain(torch.source), "")
    for want in profile.packages:
        text, comma, rest = catalogue.wanted(want).partition(", ")
        if want.origin == "index":
            text, comma, rest = f"{want.name}{want.spec}", " ", ""
            rest = f"where {code(want.marker)}" if want.marker else ""
        name = f"{code(text)}{comma}{rest}".strip()
        yield from row(name, plain(want.reason), plain(want.source), want.checked)
    yield ""


def promises(profile: Profile) -> Iterator[str]:
    """The rows of the smoke test without which an install is taken back."""
    if not profile.promises:
        return
    yield from ("## What it promises", "")
    yield "Rows of `llmdoctor smoke` that have to pass, or the install is taken back."
    yield ""
    yield from row("rows", "on", "what it is")
    yield "|" + "---|" * 3
    for promise in profile.promises:
        yield from row(code(promise.rows), PLACES[promise.on], plain(promise.reason))
    yield ""


def exclusions(profile: Profile) -> Iterator[str]:
    """Where it is known not to work, and how that is overridden."""
    if not profile.exclusions:
        return
    yield from ("## Where it does not go", "")
    yield from row("where", "why", "override", "source", "checked")
    yield "|" + "---|" * 5
    for rule in profile.exclusions:
        override = code(f"--allow {rule.code}")
        where, why = plain(catalogue.where(rule)), plain(rule.reason)
        yield from row(where, why, override, plain(rule.source), rule.checked)
    yield ""


def outcome(profile: Profile, choice: Choice) -> str:
    """A cell: the build and the wheels, or the decisive reason."""
    text = plain(catalogue.outcome(profile, choice))
    links = [f"[{code(name)}]({url})" for name, url in catalogue.wheels(choice)]
    return "<br>".join([text, *links])


def index_page(known: tuple[Profile, ...]) -> str:
    """All profiles in a table, and which of them fit which machine."""
    lines = [
        "# Profiles",
        "",
        generated("profiles/*.toml"),
        "",
        "A *stack* is an anchor: one release of torch, and what was put together with it. An",
        "*add-on* is combined with a stack; alone it takes the first stack that fits the machine",
        "and carries it.",
        "",
    ]
    for kind, heading in (("stack", "Stacks"), ("addon", "Add-ons")):
        mine = [profile for profile in known if profile.kind == kind]
        lines += [f"## {heading}", "", *row("profile", "title", "what it is"), "|" + "---|" * 3]
        for profile in mine:
            link = f"[{profile.name}]({profile.name}.md)"
            lines += row(link, plain(profile.title), plain(profile.summary))
        lines += ["", *row("machine", *(profile.name for profile in mine))]
        lines.append("|" + "---|" * (1 + len(mine)))
        decided = [choices(profile, known) for profile in mine]
        for name in MACHINES:
            lines += row(
                name, *(brief(profile, of[name]) for profile, of in zip(mine, decided, strict=True))
            )
        lines.append("")
    return "\n".join(lines)


def brief(profile: Profile, choice: Choice) -> str:
    """A cell of the overview: the build, with its stack for an add-on."""
    if not choice.feasible:
        return "no"
    stack = "" if profile.kind == "stack" else f"{choice.profiles[0]} "
    return f"{stack}{choice.variant}"


def tables_page() -> str:
    """Every table: what it is about, its rows, its date and its sources."""
    lines = [
        "# Tables",
        "",
        generated("profiles/tables"),
        "",
        "What is compatible with what. The date of a table is the day on which its sources were",
        "last read; `llmdoctor check --verbose` names the tables that a report rests on. A row is",
        "*verified* where the source itself was read, *secondary* where somebody else's list tells",
        "it, and *unverified* where it is inferred or recalled.",
        "",
    ]
    for name in dated_tables():
        lines += table_section(name)
    return "\n".join(lines)


def dated_tables() -> list[str]:
    """The names of the tables. What is told about causes of failures is no table of versions."""
    root = profiles_dir() / "tables"
    names = [path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.toml")]
    return [name for name in sorted(names) if "table" in read_table(name)]


def table_section(name: str) -> Iterator[str]:
    """One table's part of the page."""
    table = read_table(name)
    yield from (f"## {name}", "", plain(about(name)), "")
    rows = ", ".join(f"{code(key)} {count}" for key, count in counted(table).items())
    yield f"- date: {tables.table_date(name)}"
    yield f"- rows: {rows}" if rows else "- rows: none, single values only"
    listing = profiles_dir() / "tables" / f"{name}.csv"
    if listing.exists():
        count = len(listing.read_text("utf-8").splitlines()) - 1
        yield f"- beside it, `profiles/tables/{name}.csv`: {count} lines"
    yield ""
    yield from row("source", "rows", "status", "checked")
    yield "|" + "---|" * 4
    found = Counter(sources(table, table["table"]["date"]))
    for (source, status, checked), count in found.items():
        yield from row(plain(source), str(count), status, checked)
    yield ""


def about(name: str) -> str:
    """The first paragraph of the comment at the head of a table's file."""
    words = []
    for line in (profiles_dir() / "tables" / f"{name}.toml").read_text("utf-8").splitlines():
        if not line.startswith("# "):
            break
        words.append(line[2:].strip())
    return " ".join(words)


def counted(value: object, key: str = "") -> Counter[str]:
    """How many rows each array of tables has, arrays inside arrays by a dotted name."""
    found: Counter[str] = Counter()
    if isinstance(value, dict):
        for name, inner in value.items():
            found += counted(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        found[key] += len(value)
        for inner in value:
            if isinstance(inner, dict):
                found += counted(inner, key)
    return found


def sources(value: object, date: str) -> Iterator[tuple[str, str, str]]:
    """Every (source, status, day of the check) in a table, in order."""
    if isinstance(value, list):
        for inner in value:
            yield from sources(inner, date)
    elif isinstance(value, dict):
        told = value.get("source", value.get("text") if "status" in value else None)
        if isinstance(told, str):
            yield told, value.get("status", ""), value.get("checked", date)
        for inner in value.values():
            yield from sources(inner, date)


def generated(source: str) -> str:
    """The line that keeps people from writing into a page."""
    return f"<!-- written by `{RUN}` from {source}: change that, and run it again -->"


def row(*cells: str) -> list[str]:
    """A line of a table."""
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"]


def listed(heading: str, items: list[str]) -> list[str]:
    """A section of bullets, if there are any."""
    return [f"## {heading}", "", *(f"- {item}" for item in items), ""] if items else []


def fenced(command: str) -> list[str]:
    """A command to copy."""
    return ["```console", f"$ {command}", "```", ""]


def code(text: str) -> str:
    """A piece of code."""
    return f"`{text}`"


def plain(text: str) -> str:
    """Text in which nothing is taken for markup; code in backticks and addresses stay."""
    parts = re.split(r"(`[^`]*`|https?://\S+)", text)
    parts[::2] = [
        re.sub(r"([*\[\]<]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", part) for part in parts[::2]
    ]
    return "".join(parts)


def main() -> int:
    """Write the pages and remove those of profiles that are gone; gives the exit code."""
    wanted = pages()
    for folder in ("profiles", "checks"):
        for path in (REFERENCE / folder).glob("*.md"):
            if f"{folder}/{path.name}" not in wanted:
                path.unlink()
    for name, text in wanted.items():
        path = REFERENCE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    today = datetime.now(timezone.utc).date().isoformat()
    for line in warnings(today):
        sys.stderr.write(f"{line}\n")
    return 0


def warnings(today: str) -> list[str]:
    """What to say about tables that nobody checked for over a year."""
    dates = {name: tables.table_date(name) for name in dated_tables()}
    return [
        f"warning: profiles/tables/{name}.toml was last checked on {dates[name]}, over a year ago: "
        "nox -s update-tables"
        for name in tables.outdated(dates, today)
    ]


if __name__ == "__main__":
    sys.exit(main())
