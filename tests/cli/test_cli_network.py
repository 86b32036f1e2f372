"""`check --network` as a user types it; a plain `check` opens no connection at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.runs import Desk
from inside.deep_looks import TORCH, install
from support.audit import run_audited
from support.index import LoopbackIndex, closed_port
from support.tree import assert_same_tree, snapshot


@pytest.fixture
def mirrored(desk: Desk, loopback_index: LoopbackIndex) -> Desk:
    """Everything that would be asked lies on the loopback interface."""
    loopback_index.put("whl/cpu/torch/", b"<!DOCTYPE html>")
    loopback_index.put("wheels/", b"<!DOCTYPE html>")
    loopback_index.put("hub/", b"<!DOCTYPE html>")
    desk.environ |= {
        "LLMDOCTOR_TORCH_INDEX": loopback_index.url("whl"),
        "LLMDOCTOR_GITHUB": loopback_index.url("wheels"),
        "HF_ENDPOINT": loopback_index.url("hub"),
        "PIP_CONFIG_FILE": "/dev/null",
    }
    return desk


def codes(document: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["code"] for item in document["findings"] if item["code"].startswith("NET")]


def test_it_is_asked_for_and_told_what_answers(
    mirrored: Desk, loopback_index: LoopbackIndex
) -> None:
    before = snapshot(mirrored.project, mtime=True)
    plain = mirrored.json("check")
    assert plain["machine"]["network"] is None
    assert loopback_index.requests == []
    done = mirrored.run("check", "--network", "--format", "json", code=(0, 1))
    assert done.stderr == "asking 3 places that packages and models come from\n"
    document = json.loads(done.stdout)
    assert [place["outcome"] for place in document["machine"]["network"]] == [
        "unasked",
        *["ok"] * 3,
    ]
    assert codes(document) == []
    assert sorted({request.path for request in loopback_index.requests}) == [
        "/hub/",
        "/wheels/",
        "/whl/cpu/torch/",
    ]
    assert mirrored.run("check", "--network", "--quiet", code=(0, 1)).stderr == ""
    assert_same_tree(before, snapshot(mirrored.project, mtime=True))


def test_a_silent_index_is_a_finding_and_its_login_stays_unsaid(mirrored: Desk) -> None:
    with closed_port() as url:
        index = url.replace("//", "//ann:s3cret@")
        found = mirrored.run(
            *("check", "--network", "--select", "NET", "--format", "markdown"),
            env={"PIP_INDEX_URL": index},
            code=1,
        ).stdout
    assert "NET002" in found
    assert url.rstrip("/") in found
    assert "s3cret" not in found
    assert "ann:" not in found


def test_what_was_seen_is_judged_again_from_a_saved_look(mirrored: Desk) -> None:
    with closed_port() as url:
        mirrored.environ["PIP_INDEX_URL"] = url
        first = mirrored.json("check", "--network", "--select", "NET", code=1)
    saved = mirrored.project / "look.json"
    saved.write_text(json.dumps(first))
    again = mirrored.json("check", "--from", str(saved), "--select", "NET", code=1)
    assert codes(again) == codes(first) == ["NET002"]


def test_it_goes_together_with_a_look_from_inside(mirrored: Desk) -> None:
    install(mirrored.environment(), "torch", TORCH, "2.9.1+cu126")
    machine = mirrored.json("check", "--deep", "--network")["machine"]
    assert machine["deep"]["imports"]
    assert machine["network"]


def test_a_saved_look_has_no_network_to_ask(desk: Desk) -> None:
    (desk.project / "look.json").write_text("{}")
    said = desk.refused("check", "--network", "--from", "look.json")
    assert said.splitlines()[-1] == "next: llmdoctor check --network"


def test_without_it_nothing_is_connected_to(mirrored: Desk, tmp_path: Path) -> None:
    command = ["-m", "llmdoctor", "check", "--format", "json"]
    plain = run_audited(command, cwd=mirrored.project, env=mirrored.environ)
    assert plain.connections == []
    asking = run_audited([*command, "--network"], cwd=mirrored.project, env=mirrored.environ)
    assert asking.connections  # the audit would have seen them
    assert asking.writes == []
