"""Addresses as they are shown, and the files that they lead to."""

from __future__ import annotations

import pytest

from llmdoctor.addresses import (
    command_without_credentials,
    file_name,
    has_credentials,
    without_credentials,
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("https://ann:secret@host:8080/simple", "https://host:8080/simple"),
        ("https://ann:s@cret@host/simple", "https://host/simple"),
        ("https://token@host", "https://host"),
        ("https://ann:c2VjcmV0=secret==@host/simple", "https://host/simple"),
        ("ann:secret@host/simple", "host/simple"),
        ("--index-url=ann:secret@host/simple", "--index-url=host/simple"),
        ("unknown url type: 'ann:secret@host/simple'", "unknown url type: 'host/simple'"),
        ("see https://a:secret@h/x and https://b:secret@i/y", "see https://h/x and https://i/y"),
        ("https://host/w.whl?sig=secret&x=1 is gone", "https://host/w.whl is gone"),
        ("https://host/w.whl#sha256=secret", "https://host/w.whl"),
        ("https://host/simple/@scope", "https://host/simple/@scope"),
        ("/home/a@b/wheels", "/home/a@b/wheels"),
        ("http://[::1", "http://[::1"),
        ("", ""),
    ],
)
def test_no_credentials_are_shown(raw: str, shown: str) -> None:
    assert without_credentials(raw) == shown
    assert "secret" not in without_credentials(raw)


def test_a_proposed_command_keeps_every_word_that_is_no_address() -> None:
    typed = (
        "llmdoctor fix --env env@2 --index-url=https://u:p@h/x --find-links 'https://u:p!@h/a b'"
    )
    shown = "llmdoctor fix --env env@2 --index-url=https://h/x --find-links 'https://h/a b'"
    assert command_without_credentials(typed) == shown


def test_a_text_with_a_user_in_an_address_is_known() -> None:
    assert has_credentials("index = https://ann:secret@host/simple")
    assert not has_credentials("mail ann@host about https://host/@scope")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/a/flash_attn-2.8.3%2Bcu12.whl#sha256=1", "flash_attn-2.8.3+cu12.whl"),
        ("../../packages/torch-2.9.1-py3-none-any.whl?x=/y", "torch-2.9.1-py3-none-any.whl"),
        ("https://host/", ""),
        ("http://[bad", ""),
    ],
)
def test_an_address_leads_to_a_file(url: str, name: str) -> None:
    assert file_name(url) == name
