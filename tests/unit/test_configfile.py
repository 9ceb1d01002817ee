"""Reading the config file: positions, references, and everything that a file can be instead of YAML."""

from pathlib import Path

import pytest

from streams.config import configfile
from streams.config.fields import Secret, Unresolved
from streams.config.problems import ConfigError


def read(text: str, env: dict[str, str] | None = None) -> configfile.Document:
    return configfile.parse(text, "d.yaml", env or {})


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        read(text)
    return str(refusal.value)


# What is there


def test_every_key_and_every_item_knows_its_line() -> None:
    document = read("a: 1\nb:\n  - c:\n      d: x\n  -\n    2\n")

    assert document.data == {"a": 1, "b": [{"c": {"d": "x"}}, 2]}
    assert [document.line(path) for path in [("a",), ("b",), ("b", 0, "c", "d"), ("b", 1)]] == [1, 2, 4, 6]


def test_a_path_that_is_not_there_has_the_line_of_what_is_around_it() -> None:
    document = read("a:\n  b:\n    c: 1\n")

    assert document.where(("a", "b", "x", 3)) == "d.yaml:2"
    assert document.where(("x",)) == "d.yaml:1"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),  # YAML 1.1 has it for false
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("0x10", "0x10"),
        ("010", 10),  # octal in YAML 1.1
        ("1_000", "1_000"),
        ("22:22", "22:22"),  # sexagesimal in YAML 1.1
        ("2026-11-21", "2026-11-21"),
        ("-5", -5),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!int many", "many"),  # left for the settings to complain about
        ("9" * 5000, "9" * 5000),  # more digits than Python reads
    ],
)
def test_plain_scalars_mean_what_editors_think_they_mean(written: str, value: object) -> None:
    assert read(f"a: {written}\n").data == {"a": value}


def test_an_alias_is_what_it_stands_for() -> None:
    document = read("a: &limits {x: 1}\nb: *limits\n")

    assert document.data == {"a": {"x": 1}, "b": {"x": 1}}
    assert document.line(("b",)) == 2


# What is wrong


def test_a_key_given_twice_is_a_problem() -> None:
    document = read("a: 1\nb: {c: 1,\n  c: 2}\n")

    assert [(problem.path, problem.text) for problem in document.problems] == [
        (("b", "c"), "is given twice, the second time on line 3")
    ]


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system ['true']", "!secret x", "!!binary aGk=", "!!set {a}"]
)
def test_tags_are_not_allowed(tag: str) -> None:
    (problem,) = read(f"a: {tag}\n").problems

    assert problem.path == ("a",)
    assert "has a tag that is not allowed here" in problem.text


def test_merge_keys_are_ordinary_keys() -> None:
    assert read("a: &x {b: 1}\nc:\n  <<: *x\n").data["c"] == {"<<": {"b": 1}}


def test_a_key_that_is_no_text_is_a_problem() -> None:
    (problem,) = read("a: 1\n? [b, c]\n: 2\n").problems

    assert problem.text == "has a key on line 2 that is not text"


def test_billion_laughs_end_early() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))

    assert "more than 100000 values" in refused(laughs)


def test_an_alias_of_itself_ends_early() -> None:
    assert "is deeper than 20" in refused("a: &a [*a]\n")


def test_deep_nesting_ends_early() -> None:
    assert "is deeper than 20" in refused("a: " + "[" * 30 + "]" * 30)
    assert "is nested too deeply" in refused("a: " + "[" * 20_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: 1\n\tb: 2\n",
            "d.yaml:2:1: is not valid YAML: found character '\\t' that cannot start any token",
        ),
        ("a: 1\n\tb: 2\n", "(indent with spaces, not with tabs)"),
        ("a: [1, 2\nb: 3\n", "d.yaml:2:"),
        ("a: {b: ${NAME}}\n", 'a reference needs quotes: "${NAME}"'),
        ("a: 1\n---\nb: 2\n", "d.yaml:2:1: is not valid YAML: but found another document"),
        ("a: *b\n", "d.yaml:1:4: is not valid YAML: found undefined alias"),
        ("a: 1\nb: \x00\n", "d.yaml:2: is not valid YAML: it holds a control character"),
        ("", "d.yaml: is empty"),
        ("# nothing but a comment\n", "d.yaml: is empty"),
        ("- a\n- b\n", "d.yaml:1: must be a mapping"),
        ("hello\n", "d.yaml:1: must be a mapping"),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_place(text: str, said: str) -> None:
    message = refused(text)

    assert said in message
    assert "\n" not in message


# What can't even be read


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: b\nc: é\n".encode("latin-1"))
    (tmp_path / "large.yaml").write_bytes(b"#" * (configfile.LARGEST + 1))
    expected = {
        "missing.yaml": "can't be read: No such file or directory",
        ".": "can't be read: Is a directory",
        "latin.yaml": "is not UTF-8 text (byte 9)",
        "large.yaml": "is larger than 1048576 bytes",
    }

    for name, said in expected.items():
        with pytest.raises(ConfigError) as refusal:
            configfile.read(tmp_path / name)
        assert str(refusal.value) == f"{tmp_path / name}: {said}"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")

    assert read(configfile.read(tmp_path / "d.yaml")).data == {"a": 1}


# References


def test_a_variable_is_put_in_anywhere_in_a_text() -> None:
    data = read('a: ${X}\nb: "Bearer ${X}-${Y}"\nc: ["${Y}"]\n', {"X": "xx", "Y": "yy"}).data

    assert [secret.reveal() for secret in (data["a"], data["b"], data["c"][0])] == [
        "xx",
        "Bearer xx-yy",
        "yy",
    ]
    assert data["b"].parts == ("xx", "yy")


def test_a_file_is_put_in_without_its_last_line_ending(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b" s3cret \r\n")

    assert read(f"a: ${{file:{tmp_path}/token}}\n").data["a"].reveal() == " s3cret "


def test_a_doubled_dollar_is_no_reference() -> None:
    assert read("a: $${X}\nb: $5 and $X {}\n").data == {"a": "${X}", "b": "$5 and $X {}"}


def test_what_a_reference_brings_in_is_not_looked_at_again() -> None:
    assert read("a: ${X}\n", {"X": "${Y} $${Z}"}).data["a"].reveal() == "${Y} $${Z}"


def test_a_secret_shows_as_its_reference() -> None:
    secret = read("a: Bearer ${X}\n", {"X": "hush"}).data["a"]

    assert f"{secret} {secret!r} {[secret]}" == "Bearer ${X} Bearer ${X} [Bearer ${X}]"
    assert secret == Secret("Bearer hush", "Bearer ${X}")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("${X}", "${X} refers to the environment variable X, which is not set"),
        ("${EMPTY}", "${EMPTY} refers to the environment variable EMPTY, which is empty"),
        ("${BYTES}", "${BYTES} refers to the environment variable BYTES, which is not UTF-8 text"),
        ("${X:-default}", "${X:-default} is no reference: 'X:-default' is neither NAME nor file:/path"),
        ("${}", "${} is no reference: '' is neither NAME nor file:/path"),
        ("a ${X", "a ${X has a ${ without its }: write $${ for a plain ${"),
        ("${file:x}", "${file:x} refers to the file 'x': its path must be absolute"),
        ("${file:/nowhere/x}", "the file /nowhere/x, which can't be read: No such file or directory"),
        ("${file:/}", "the file /, which can't be read: Is a directory"),
    ],
)
def test_a_reference_to_nothing_is_a_problem(reference: str, said: str) -> None:
    document = read(f"a:\n  b: {reference!r}\n", {"EMPTY": "", "BYTES": "\udcff"})

    (problem,) = document.problems
    assert document.where(problem.path) == "d.yaml:2"
    assert problem.text.endswith(said)
    assert document.data["a"]["b"] == Unresolved(reference)


def test_secrets_that_are_no_text_or_too_long_are_problems(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * (configfile.LARGEST_SECRET + 1))
    (tmp_path / "empty").write_bytes(b"\n")
    text = "".join(f"{name}: ${{file:{tmp_path}/{name}}}\n" for name in ("binary", "large", "empty"))

    said = [problem.text.rpartition(", which is ")[2] for problem in read(text).problems]

    assert said == ["not UTF-8 text", "larger than 65536 bytes", "empty"]
