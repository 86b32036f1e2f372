"""pip's configuration is read as pip itself reads it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmdoctor.errors import UnreadableError
from llmdoctor.pip_config import PipConfig, read
from probe.described import Described, door
from support.environment import hermetic_env

ANN = "/home/ann/.config/pip/pip.conf"


def described(files: dict[str, str], **environ: str) -> Described:
    return Described(files=files, environ=environ)


def config_of(machine: Described, prefixes: tuple[str, ...] = ()) -> PipConfig:
    return read(door(machine), prefixes)


def index(url: str, section: str = "global") -> str:
    return f"[{section}]\nindex-url = {url}\n"


# --- which files, in which order


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ("/etc/xdg/pip/pip.conf", "/etc/pip.conf"),
        ("/etc/pip.conf", "/home/ann/.pip/pip.conf"),
        ("/home/ann/.pip/pip.conf", ANN),
        (ANN, "/venv/pip.conf"),
        ("/venv/pip.conf", "/own.conf"),
    ],
)
def test_a_stronger_file_wins(weaker: str, stronger: str) -> None:
    files = {weaker: index("https://weaker/"), stronger: index("https://stronger/")}
    own = {"PIP_CONFIG_FILE": "/own.conf"} if stronger == "/own.conf" else {}
    assert config_of(described(files, **own), ("/venv",)).index_url == "https://stronger/"


def test_install_wins_over_global_even_from_a_weaker_file() -> None:
    files = {"/etc/pip.conf": index("https://install/", "install"), ANN: index("https://global/")}
    assert config_of(described(files)).index_url == "https://install/"


def test_a_variable_wins_over_every_file() -> None:
    files = {ANN: index("https://file/", "install")}
    assert config_of(described(files, PIP_INDEX_URL="https://env/")).index_url == "https://env/"


def test_an_empty_variable_hides_nothing() -> None:
    files = {ANN: index("https://file/")}
    assert config_of(described(files, PIP_INDEX_URL="")).index_url == "https://file/"


def test_an_empty_value_hides_that_of_a_weaker_file_in_the_same_section_alone() -> None:
    weaker = "/home/ann/.pip/pip.conf"
    nothing = {weaker: index("https://weaker/"), ANN: "[global]\nindex-url =\n"}
    assert config_of(described(nothing)).index_url is None
    other = {weaker: index("https://weaker/"), ANN: "[install]\nindex-url =\n"}
    assert config_of(described(other)).index_url == "https://weaker/"


def test_other_sections_do_not_count_for_an_install() -> None:
    assert config_of(described({ANN: index("https://download/", "download")})) == PipConfig()


def test_a_file_of_ones_own_replaces_the_users_but_not_the_machines() -> None:
    files = {
        "/etc/pip.conf": "[global]\nproxy = http://machine:3128\n",
        ANN: index("https://user/"),
        "/own.conf": "[global]\ncert = /own.pem\n",
    }
    config = config_of(described(files, PIP_CONFIG_FILE="/own.conf"))
    assert config == PipConfig(cert="/own.pem", proxy="http://machine:3128")
    assert config_of(described(files, PIP_CONFIG_FILE="/gone.conf")).index_url == "https://user/"


def test_the_null_device_as_a_file_of_ones_own_means_no_file_at_all() -> None:
    files = {"/etc/pip.conf": index("https://machine/"), ANN: index("https://user/")}
    assert config_of(described(files, PIP_CONFIG_FILE="/dev/null")) == PipConfig()
    config = config_of(described(files, PIP_CONFIG_FILE="/dev/null", PIP_PROXY="http://p:1"))
    assert config == PipConfig(proxy="http://p:1")


def test_the_folders_of_the_desktop_standard_are_honoured() -> None:
    files = {"/cfg/pip/pip.conf": index("https://mine/"), "/b/pip/pip.conf": index("https://b/")}
    assert config_of(described(files, XDG_CONFIG_HOME="/cfg")).index_url == "https://mine/"
    assert config_of(described(files, XDG_CONFIG_DIRS="/a:/b")).index_url == "https://b/"


def test_windows_has_its_own_places() -> None:
    windows = Described(
        system="windows",
        house="C:\\Users\\ann",
        files={
            "C:\\ProgramData\\pip\\pip.ini": index("https://machine/") + "proxy = http://p:1\n",
            "C:\\Users\\ann\\AppData\\Roaming\\pip\\pip.ini": index("https://user/"),
            "C:\\venv\\pip.ini": "[global]\nfind-links = ~\\wheels\n",
        },
        environ={
            "APPDATA": "C:\\Users\\ann\\AppData\\Roaming",
            "PROGRAMDATA": "C:\\ProgramData",
        },
    )
    config = config_of(windows, ("C:\\venv",))
    assert config.index_url == "https://user/"
    assert config.proxy == "http://p:1"
    assert config.find_links == ("C:\\Users\\ann\\wheels",)


def test_macos_looks_in_the_library_only_where_that_folder_is() -> None:
    plain = {"/home/ann/.config/pip/pip.conf": index("https://plain/")}
    library = {"/home/ann/Library/Application Support/pip/pip.conf": index("https://library/")}
    linux = {"/etc/pip.conf": index("https://linux/")}
    assert config_of(Described(system="macos", files=plain)).index_url == "https://plain/"
    assert (
        config_of(Described(system="macos", files=plain | library)).index_url == "https://library/"
    )
    assert config_of(Described(system="macos", files=linux)).index_url is None


# --- what is in them


def test_every_option_that_matters_is_read() -> None:
    text = """
[global]
index_url = https://main/
extra-index-url =
    https://one/
    https://two/
find-links = /wheels ~/more https://page/ near
cert = ~/corp.pem
trusted-host = corp corp:8443
proxy = http://proxy:3128
no-index = Yes
timeout = 60
"""
    assert config_of(described({ANN: text})) == PipConfig(
        index_url="https://main/",
        extra_index_urls=("https://one/", "https://two/"),
        find_links=("/wheels", "/home/ann/more", "https://page/", "/home/ann/project/near"),
        cert="/home/ann/corp.pem",
        trusted_hosts=("corp", "corp:8443"),
        proxy="http://proxy:3128",
        no_index=True,
    )


@pytest.mark.parametrize(
    ("word", "on"),
    [("1", True), ("y", True), ("ON", True), ("t", True), ("0", False), ("no", False)],
)
def test_switches_are_read_in_pips_words(word: str, on: bool) -> None:
    assert config_of(described({}, PIP_NO_INDEX=word)).no_index is on


def test_knowing_of_any_place_is_hosting_ones_own_index() -> None:
    assert not config_of(described({ANN: "[global]\ncert = /x\n"})).hosts_own_index
    assert config_of(described({ANN: "[global]\nfind-links = /x\n"})).hosts_own_index


# --- what cannot be read


class Denying(Described):
    """A machine on which one file may not be read."""

    def read_text(self, path: str, limit: int | None = None) -> str | None:
        if path == "/etc/pip.conf":
            raise UnreadableError(path, "permission denied")
        return super().read_text(path, limit)


def test_a_file_that_may_not_be_read_is_reported_and_the_rest_counts() -> None:
    config = config_of(Denying(files={"/etc/pip.conf": "", ANN: index("https://user/")}))
    assert config.index_url == "https://user/"
    assert config.unreadable == (("/etc/pip.conf", "permission denied"),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("index-url = https://x/\n", "no section headers"),
        ("[global]\nindex-url = a\nindex-url = b\n", "already exists"),
        ("[global\n", "no section headers"),
        ("[global]\n<<<<<<< HEAD\n", "pars"),
    ],
)
def test_a_broken_file_is_reported_and_the_rest_counts(text: str, says: str) -> None:
    config = config_of(described({ANN: text, "/venv/pip.conf": index("https://venv/")}), ("/venv",))
    assert config.index_url == "https://venv/"
    ((path, problem),) = config.unreadable
    assert path == ANN
    assert says in problem
    assert "\n" not in problem


# --- against pip itself

_ASK = (
    "import json, sys; from llmdoctor import wire; from llmdoctor.pip_config import read; "
    "from llmdoctor.system.local import Local; "
    "print(json.dumps(wire.dump(read(Local(), (sys.prefix,)))))"
)
# `pip config list` prints the value of every file; what `pip install` makes of them, its own option
# parser tells, which every release since 10 has in this place.
_ASK_PIP = """
import json
from pip._internal.commands import create_command
parser = create_command("install").parser
given, _ = parser.parse_args([])
default = parser.get_option("--index-url").default
print(json.dumps({
    "index_url": None if given.index_url == default else given.index_url,
    "extra_index_urls": given.extra_index_urls,
    "find_links": given.find_links,
    "cert": given.cert,
    "trusted_hosts": given.trusted_hosts,
    "proxy": given.proxy or None,
    "no_index": bool(given.no_index),
}))
"""
_FILES: dict[str, dict[str, str]] = {
    "empty": {},
    "user": {"home/.config/pip/pip.conf": "[global]\nindex-url = https://user/\n"},
    "legacy-and-user": {
        "home/.pip/pip.conf": "[global]\nindex-url = https://legacy/\nproxy = http://legacy:1\n",
        "home/.config/pip/pip.conf": "[global]\nindex-url = https://user/\n",
    },
    "sections": {
        "home/.pip/pip.conf": "[install]\nindex-url = https://install/\n",
        "home/.config/pip/pip.conf": (
            "[global]\nindex-url = https://global/\nextra-index-url =\n  https://a/\n  https://b/\n"
            "[install]\nno-index = true\n[download]\nproxy = http://download:1\n"
        ),
    },
    "empty-value": {
        "home/.pip/pip.conf": "[global]\nindex-url = https://legacy/\n",
        "home/.config/pip/pip.conf": "[global]\nindex-url =\n[install]\ncert =\n",
    },
    "empty-in-another-section": {
        "home/.pip/pip.conf": "[global]\nindex-url = https://legacy/\n",
        "home/.config/pip/pip.conf": "[install]\nindex-url =\n",
    },
    "own": {
        "home/.config/pip/pip.conf": "[global]\nindex-url = https://user/\nproxy = http://u:1\n",
        "own.conf": "[global]\nindex_url = https://own/\n",
        "xdg/pip/pip.conf": "[global]\ntrusted-host = a b\nindex-url = https://machine/\n",
    },
}
_VARIABLES: dict[str, dict[str, str]] = {
    "nothing": {},
    "some": {"PIP_INDEX_URL": "https://env/", "PIP_FIND_LINKS": "/wheels https://page/"},
    "empty": {"PIP_INDEX_URL": "", "PIP_NO_INDEX": "0"},
    "own-file": {"PIP_CONFIG_FILE": "own.conf"},
    "own-file-gone": {"PIP_CONFIG_FILE": "gone.conf", "PIP_TRUSTED_HOST": "c"},
    "null-device": {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "https://x/ https://y/"},
}


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="needs pip to compare with")
@pytest.mark.skipif(sys.platform == "win32", reason="the places are those of POSIX")
@pytest.mark.parametrize(
    ("written", "given"),
    [
        *((name, "nothing") for name in _FILES),
        *(("sections", name) for name in _VARIABLES if name != "nothing"),
        ("empty-value", "empty"),
        ("own", "own-file"),
        ("own", "own-file-gone"),
        ("own", "null-device"),
    ],
)
def test_pip_says_the_same(tmp_path: Path, written: str, given: str) -> None:
    environ = _VARIABLES[given]
    for name, text in _FILES[written].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    env = {k: v for k, v in hermetic_env(tmp_path).items() if not k.startswith("PIP_")}
    env |= {"XDG_CONFIG_DIRS": str(tmp_path / "xdg"), **environ}
    if "PIP_CONFIG_FILE" in environ and environ["PIP_CONFIG_FILE"] != os.devnull:
        env["PIP_CONFIG_FILE"] = str(tmp_path / environ["PIP_CONFIG_FILE"])

    def ask(*command: str) -> str:
        words = [sys.executable, *command]
        return subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout

    ours = json.loads(ask("-c", _ASK))
    pips = json.loads(ask("-c", _ASK_PIP))
    assert ours.pop("unreadable") == []
    assert ours == pips
