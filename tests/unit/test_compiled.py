"""What is compiled (setup.py), as far as its source shows what mypyc would make of it.

That it does the same is shown by running all of these tests on it: `make unit COMPILED=1`.
"""

import ast
import importlib
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def compiled() -> list[Path]:
    """The modules that setup.py names."""
    statements = ast.parse((ROOT / "setup.py").read_text()).body
    (named,) = (one for one in statements if isinstance(one, ast.Assign) and "COMPILED" in ast.unparse(one))
    return [ROOT / f"{module}.py" for module in ast.literal_eval(named.value)]


def twice(source: str) -> list[str]:
    """Where a function binds one name to exceptions of different types."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            types: dict[str, str] = {}
            for handler in ast.walk(function):
                if isinstance(handler, ast.ExceptHandler) and handler.name and handler.type:
                    kind = ast.unparse(handler.type)
                    if types.setdefault(handler.name, kind) != kind:
                        found.append(f"{function.name}: {handler.name}")
    return found


@pytest.mark.parametrize("module", compiled(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_name_is_bound_to_exceptions_of_one_type_only(module: Path) -> None:
    # mypyc gives a local name one type, and raises TypeError where the second `except` binds another. mypy
    # says nothing. Compiled, an event that could not be read was so tried again for ever.
    assert twice(module.read_text()) == []


def test_such_a_name_is_found() -> None:
    one, two = "try: pass\n except KeyError as e: pass", "try: pass\n except (OSError, ValueError) as e: pass"
    assert twice(f"def f():\n {one}\n {two}") == ["f: e"]
    assert twice(f"def f():\n {one}\n {two.replace('as e', 'as other')}") == []


def kept(source: str) -> list[int]:
    """The lines where a generator expression is returned or given a name, and not used up on the spot."""
    keeping = (one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Return | ast.Assign))
    return [one.lineno for one in keeping if isinstance(one.value, ast.GeneratorExp)]


@pytest.mark.parametrize("module", compiled(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_generator_that_is_kept_is_a_function(module: Path) -> None:
    # mypyc makes a list of a generator expression: a replay read the whole archive before its first event.
    assert kept(module.read_text()) == []


def test_such_an_expression_is_found() -> None:
    assert kept("def f(x):\n  return (one for one in x)") == [2]
    assert kept("def f(x):\n  y = (one for one in x)\n  return any(one for one in y)") == [2]


def bounded(source: str) -> list[int]:
    """The lines where something is called, or waited for, to know where a slice begins or ends."""
    slices = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Slice)]
    return [
        one.lineno
        for one in slices
        if any(isinstance(part, ast.Call | ast.Await | ast.NamedExpr) for part in ast.walk(one))
    ]


@pytest.mark.parametrize("module", compiled(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_called_within_the_bounds_of_a_slice(module: Path) -> None:
    # mypyc calls it twice, unless it knows how to slice that type (seen: each record was written twice).
    assert bounded(module.read_text()) == []


def test_such_a_call_is_found() -> None:
    assert bounded("x = y[f(y) :]\nx = y[n + len(y) : 3]") == [1, 2]
    assert bounded("x = f(y[n + 1 :])[0]\nx = y[f(n)]") == []


@pytest.mark.parametrize("module", compiled(), ids=lambda path: str(path.relative_to(ROOT)))
def test_these_tests_run_on_what_they_are_meant_to(module: Path) -> None:
    name = ".".join(module.relative_to(ROOT).with_suffix("").parts)
    file = importlib.import_module(name).__file__ or ""
    assert file.endswith(".so" if "COMPILED" in os.environ else ".py")


def test_what_is_compiled_is_in_the_house() -> None:
    assert len(compiled()) > 20
    assert all(module.is_file() for module in compiled())
