"""From a manifest and a choice to the manifest that asks for it: a pure function, no tool is run.

Each profile gets a group of its name; a package that the main dependencies have is changed there,
unless all that is asked is a release that is new enough. What belongs to another stack is known by
name: groups that are called like our stacks, of them what those stacks require, and indexes that
are called as we call them ("torch-cu126") once nothing comes from them. All else stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from llmdoctor.plan import Choice, Source
from llmdoctor.profile import Profile
from llmdoctor.write import poetry, uv
from llmdoctor.write.draft import Draft, NotWritableError
from llmdoctor.write.entries import Entry, entries, index_name, is_ours, normal, owned

__all__ = ["NotWritableError", "Rewritten", "rewrite", "stack_of"]


@dataclass(frozen=True)
class Rewritten:
    """A manifest's new text, what is different in it line by line, and the profiles' groups."""

    text: str
    changes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Form(Protocol):
    """How one tool's projects say it: the functions of `poetry` and `uv`."""

    def main(self, draft: Draft) -> set[str]:
        """Names that the main dependencies require."""

    def groups(self, draft: Draft) -> dict[str, str]:
        """The groups of the project: as written, by normalised name."""

    def names(self, draft: Draft, group: str) -> set[str]:
        """What a group requires."""

    def said(self, draft: Draft, name: str, group: str | None) -> object:
        """What is said of a requirement, in the main dependencies or in a group."""

    def set_main(self, draft: Draft, entry: Entry, index: str | None) -> None:
        """Change a requirement where the main dependencies have it."""

    def set_group(
        self, draft: Draft, group: str, wanted: Sequence[Entry], owned: set[str], index: str | None
    ) -> None:
        """Make a group require this, of what is owned by its profile."""

    def set_index(self, draft: Draft, name: str, url: str) -> str:
        """See that an explicit index has that address; gives its name."""

    def drop_index(self, draft: Draft, name: str) -> None:
        """Take out an index."""

    def indexes(self, draft: Draft) -> dict[str, bool]:
        """The names of the indexes, and whether anything comes from it."""

    def set_places(
        self, draft: Draft, wanted: Mapping[str, Entry], known: set[str], index: str | None
    ) -> None:
        """Say where packages come from, where that is not said with each requirement."""


FORMS: dict[str, Form] = {"poetry": poetry, "uv": uv}


def stack_of(manifest: str, tool: str, known: Sequence[Profile]) -> Profile | None:
    """The stack that a project has a group of; None where it has none, or several."""
    there = FORMS[tool].groups(Draft(manifest))
    found = [item for item in known if item.kind == "stack" and normal(item.name) in there]
    return found[0] if len(found) == 1 else None


def rewrite(
    manifest: str, tool: str, choice: Choice, source: Source | None, known: Sequence[Profile]
) -> Rewritten:
    """The manifest that asks for the choice; the same text where it does already.

    Args:
        manifest: the text of pyproject.toml.
        tool: whose project it is, "poetry" or "uv".
        choice: what the resolver decided.
        source: where torch comes from.
        known: every profile there is, to know what belongs to another one.

    Raises:
        NotWritableError: the manifest is written in a way in which it cannot be changed.
    """
    windows = "\r\n" in manifest
    if windows and manifest.count("\n") != manifest.count("\r\n"):
        raise NotWritableError("pyproject.toml has two kinds of line ends")
    text = manifest.replace("\r\n", "\n")
    draft, form = Draft(text), FORMS[tool]
    wanted = entries(choice, source)
    index = None
    if source is not None and source.url is not None:
        index = form.set_index(draft, index_name(choice), source.url)
    _requirements(draft, form, choice, wanted, known, index)
    packages = {name for profile in known for name in owned(profile)}
    form.set_places(draft, wanted, packages, index)
    for name, used in form.indexes(draft).items():
        if is_ours(name) and not used:
            form.drop_index(draft, name)
            draft.changes.append(f"{name} goes: nothing comes from it any more")
    draft.see(text)
    new = draft.text.replace("\n", "\r\n") if windows else draft.text
    there = form.groups(draft)
    groups = tuple(there[name] for name in map(normal, choice.profiles) if name in there)
    return Rewritten(new, tuple(draft.changes), groups)


def _requirements(
    draft: Draft,
    form: Form,
    choice: Choice,
    wanted: Mapping[str, Entry],
    known: Sequence[Profile],
    index: str | None,
) -> None:
    profiles = {profile.name: profile for profile in known}
    stack = choice.profiles[0]
    there = form.groups(draft)
    others = [
        profile
        for profile in known
        if profile.name not in choice.profiles
        and (group := there.get(normal(profile.name))) is not None
        and form.names(draft, group) & owned(profile)
    ]
    before = form.said(draft, "torch", there.get(normal(stack)))
    in_main = form.main(draft)
    in_place = [name for name in wanted if name in in_main and not wanted[name].lenient]
    for name in in_place:
        form.set_main(draft, wanted[name], index)
    for chosen in choice.profiles:
        own = [
            entry
            for name, entry in wanted.items()
            if chosen in entry.profiles and name not in in_place
        ]
        group = there.get(normal(chosen), chosen)
        form.set_group(draft, group, own, owned(profiles[chosen]), index)
    after = form.said(draft, "torch", there.get(normal(stack), stack))
    switched = any(profile.kind == "stack" for profile in others) or before not in (None, after)
    for profile in others:
        if profile.kind == "stack" or switched:  # an add-on's wheel is made for one torch
            form.set_group(draft, there[normal(profile.name)], (), owned(profile), index)
    if switched:
        tied = {
            normal(w.name) for profile in known for w in profile.packages if w.origin != "index"
        }
        draft.changes += [
            f"{name} of the main dependencies stays: see that it fits torch {choice.torch}"
            for name in sorted((tied & in_main) - wanted.keys())
        ]
