"""A mirror stands for the beginning of an address, and is named in one of three places."""

from __future__ import annotations

import pytest

from llmdoctor import mirrors
from llmdoctor.errors import UsageError


def test_a_mirror_replaces_the_host_and_keeps_the_path() -> None:
    environ = {"LLMDOCTOR_GITHUB": "https://mirror.example/gh/", "HF_ENDPOINT": ""}
    wheel = "https://github.com/a/b/releases/download/v1/x-1.whl"
    assert mirrors.mirrored(wheel, environ) == (
        "https://mirror.example/gh/a/b/releases/download/v1/x-1.whl"
    )
    assert mirrors.mirrored("https://github.community/x", environ) == "https://github.community/x"
    assert mirrors.mirrored("https://huggingface.co/m", environ) == "https://huggingface.co/m"


def test_options_and_tables_come_down_to_variables() -> None:
    assert mirrors.of_words(["github=https://a/b=c", "torch-index=file:///srv/whl"]) == {
        "LLMDOCTOR_GITHUB": "https://a/b=c",
        "LLMDOCTOR_TORCH_INDEX": "file:///srv/whl",
    }
    assert mirrors.variables({"huggingface": "https://hub/"}, "x") == {
        "HF_ENDPOINT": "https://hub/"
    }


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"gitub": "https://x/"}, "there is no 'gitub' to mirror; did you mean 'github'?"),
        ({"pip": "https://x/"}, "torch-index, github, huggingface"),
        ({"github": "x.example"}, "expected the address that stands for https://github.com"),
        ({"github": "ssh://ann:hunter2@x/"}, "github is 'ssh://x/'"),
        ({"github": 1}, "github is 1"),
        ({"github": ""}, "github is ''"),
    ],
)
def test_a_mirror_that_cannot_be_meant_is_refused(named: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        mirrors.variables(named, "here")
    assert said in refused.value.message
    assert "hunter2" not in refused.value.message
