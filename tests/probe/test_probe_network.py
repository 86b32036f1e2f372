"""Which places are asked, and what is kept of them: never a login, never more than was asked."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from llmdoctor import wire
from llmdoctor.machine import Environment, Machine, Project, Torch, TorchPlace
from llmdoctor.network import Place
from llmdoctor.probe.network import look_at_network
from llmdoctor.system import Fetched, System
from llmdoctor.system.local import Local
from llmdoctor.system.readonly import ReadOnly
from probe.described import Described
from support.index import AUTHORITY, LoopbackIndex, black_hole, closed_port


class Answering(Described):
    """A described machine with a network: `pages` answer, every other name is unknown."""

    def fetch(self, url: str, **how: object) -> Fetched:
        self.__dict__.setdefault("asked", []).append((url, how))
        pages: dict[str, Fetched] = self.__dict__.get("pages", {})
        unknown = Fetched(url, problem="Name or service not known", failure="dns")
        return pages.get(url, unknown)


def look(
    environ: dict[str, str], machine: Machine | None = None, **files: str
) -> tuple[Place, ...]:
    door = Answering(environ=environ, files={"/home/ann/.pip/pip.conf": files.get("pip", "")})
    return look_at_network(door, machine or Machine(), lambda _: None)  # type: ignore[arg-type]


def by_role(places: tuple[Place, ...], role: str) -> list[Place]:
    return [place for place in places if place.role == role]


def test_an_index_that_nobody_configured_is_not_asked_and_ours_are() -> None:
    places = look({})
    assert [(p.role, p.outcome) for p in places] == [
        ("index", "unasked"),
        ("torch-index", "dns"),
        ("wheels", "dns"),
        ("models", "dns"),
    ]
    assert places[0].said == "no address is configured: the installers take their own default"
    assert [p.url for p in places[1:]] == [
        "https://download.pytorch.org/whl/cpu",
        "https://github.com",
        "https://huggingface.co",
    ]


def test_the_index_of_the_installed_build_is_asked() -> None:
    cuda = Machine(environment=Environment("venv", torch=Torch("2.9.1+cu126", "12.6")))
    (place,) = by_role(look({}, cuda), "torch-index")
    assert place.url == "https://download.pytorch.org/whl/cu126"


def test_every_configured_index_is_asked_once_and_named_by_who_wants_it() -> None:
    project = Project(
        "/p", "pyproject.toml", "uv", torch_places=(TorchPlace("t", "https://torch.invalid/whl"),)
    )
    places = look(
        {
            "PIP_INDEX_URL": "https://main.invalid/simple",
            "UV_DEFAULT_INDEX": "https://main.invalid/simple/",
            "UV_INDEX": "mine=https://more.invalid/simple https://more.invalid/simple",
        },
        Machine(project=project),
        pip="[global]\nextra-index-url = https://extra.invalid/simple\n"
        "find-links = https://links.invalid/wheels /srv/wheels\n",
    )
    assert [(p.url, p.named_by, p.main) for p in by_role(places, "index")] == [
        ("https://main.invalid/simple", "pip's configuration", True),
        ("https://extra.invalid/simple", "pip's configuration", False),
        ("https://more.invalid/simple", "UV_INDEX", False),
        ("https://torch.invalid/whl", "pyproject.toml", False),
    ]
    assert [p.url for p in by_role(places, "find-links")] == ["https://links.invalid/wheels"]


def test_no_login_of_an_address_is_kept_or_said_and_the_server_gets_it() -> None:
    url = "https://ann:s3cret@index.invalid/simple?key=hush"
    door = Answering(environ={"PIP_INDEX_URL": url})
    door.__dict__["pages"] = {}
    places = look_at_network(door, Machine(), lambda _: None)  # type: ignore[arg-type]
    (index,) = by_role(places, "index")
    assert (index.url, index.login) == ("https://index.invalid/simple", True)
    kept = json.dumps(wire.dump(Machine(network=places)))
    assert not any(word in kept for word in ("s3cret", "ann:", "hush"))
    assert any("s3cret" in asked for asked, _ in door.__dict__["asked"])


def test_mirrors_are_asked_instead_and_what_is_switched_off_is_not() -> None:
    places = look(
        {
            "LLMDOCTOR_TORCH_INDEX": "https://mirror.invalid/torch/",
            "HF_HUB_OFFLINE": "1",
            "PIP_NO_INDEX": "1",
        }
    )
    (torch,) = by_role(places, "torch-index")
    assert (torch.url, torch.named_by) == (
        "https://mirror.invalid/torch/cpu",
        "LLMDOCTOR_TORCH_INDEX",
    )
    (models,) = by_role(places, "models")
    assert (models.outcome, models.said) == ("unasked", "switched off by HF_HUB_OFFLINE")
    (index,) = by_role(places, "index")
    assert "no-index" in str(index.said)


@pytest.mark.parametrize("url", ["file:///srv/simple", "ftp://x.invalid", "http://[", "//x"])
def test_an_address_that_nobody_can_ask_is_no_end_of_the_look(url: str) -> None:
    index = by_role(look({"PIP_INDEX_URL": url}), "index")[0]
    assert index.outcome in ("unasked", "other")
    assert index.said


def test_silent_places_are_asked_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as holes:
        silent = [holes.enter_context(black_hole()) for _ in range(4)]
        door = Local(
            {
                "PIP_EXTRA_INDEX_URL": silent[0],
                "PIP_CONFIG_FILE": "/dev/null",
                "LLMDOCTOR_TORCH_INDEX": silent[1],
                "LLMDOCTOR_GITHUB": silent[2],
                "HF_ENDPOINT": silent[3],
            }
        )
        began = time.monotonic()
        places = look_at_network(
            ReadOnly(door, network=True), Machine(), lambda _: None, seconds=0.5
        )
        assert time.monotonic() - began < 1.5
    assert [p.outcome for p in places] == ["unasked", "timeout", "timeout", "timeout", "timeout"]


def test_real_servers_answer_refuse_and_are_not_trusted(tmp_path: Path) -> None:
    with LoopbackIndex() as plain, LoopbackIndex("good") as sealed, closed_port() as closed:
        plain.create("whl/cpu")
        plain.fail("/extra/*", "401")
        environ = {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_EXTRA_INDEX_URL": plain.url("extra"),
            "LLMDOCTOR_TORCH_INDEX": plain.url("whl"),
            "LLMDOCTOR_GITHUB": sealed.url(),
            "HF_ENDPOINT": closed,
        }

        def outcomes(**more: str) -> dict[str, tuple[str, int | None]]:
            door: System = ReadOnly(Local({**environ, **more}), network=True)
            seen = look_at_network(door, Machine(), lambda _: None)
            return {p.named_by: (p.outcome, p.status) for p in seen}

        assert outcomes() == {
            "nobody": ("unasked", None),
            "pip's configuration": ("status", 401),
            "LLMDOCTOR_TORCH_INDEX": ("status", 404),
            "LLMDOCTOR_GITHUB": ("tls", None),
            "HF_ENDPOINT": ("refused", None),
        }
        trusting = outcomes(REQUESTS_CA_BUNDLE=str(AUTHORITY))
        assert trusting["LLMDOCTOR_GITHUB"] == ("status", 404)
        host = sealed.url().split("/")[2]
        assert outcomes(PIP_TRUSTED_HOST=host)["LLMDOCTOR_GITHUB"] == ("status", 404)
