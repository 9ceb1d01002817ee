"""Secrets in texts."""

import io
import logging

import pytest

from streams import logs
from streams.masking import Masking


def test_every_occurrence_of_every_secret_is_replaced_the_longest_first() -> None:
    mask = Masking(["hunter2", "hunter2-long"])
    assert mask("a hunter2-long b hunter2 c hunter2") == "a *** b *** c ***"


def test_a_text_that_was_cut_in_the_middle_of_a_secret_does_not_keep_its_beginning() -> None:
    mask = Masking(["whsec_abcdef"])
    assert mask.head("you sent whsec_abcdef and whsec_ab") == "you sent *** and ***"
    assert mask.head("nothing of it") == "nothing of it"


def test_short_values_are_left_alone() -> None:
    assert Masking(["1", "no"])("no, version 1") == "no, version 1"


@pytest.mark.parametrize("as_json", [False, True])
def test_no_log_line_holds_a_secret_wherever_it_comes_from(
    as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    logs.setup("info", {"hunter2"}, as_json=as_json)
    log = logging.getLogger("streams.test")

    log.info("password %s", "hunter2")
    try:
        raise ValueError("https://x/?key=hunter2")
    except ValueError:
        log.exception("it failed")

    assert "hunter2" not in out.getvalue()
    assert out.getvalue().count("***") >= 2
