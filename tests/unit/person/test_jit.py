"""numba's disk cache looks at one file: a kernel that called into another would go on running old machine code when that one changes."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

import flockwise.person
from flockwise.person import bounding, cleaning, contributions, ordering, presence, stays  # noqa: F401  the function shadows its module's name

FOLDER = Path(flockwise.person.__file__).parent
FILES = sorted(p.name for p in FOLDER.glob("*.py") if "@kernel" in p.read_text(encoding="utf-8"))


def test_there_are_kernels() -> None:
    assert {"adding.py", "bounding.py", "cleaning.py", "ordering.py", "presence.py", "stays.py"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_kernels_call_nothing_compiled_elsewhere(name: str) -> None:
    module = importlib.import_module(f"flockwise.person.{name[:-3]}")
    compiled = {key for key, value in vars(module).items() if isinstance(value, Dispatcher)}
    assert compiled
    for key in compiled:
        function = vars(module)[key].py_func
        assert function.__module__ == module.__name__, f"{key} was compiled in another file"
        # Numbers from elsewhere are frozen into the machine code too: only those that never change may be used.
        used = {node.id for node in ast.walk(ast.parse(inspect.getsource(function).lstrip())) if isinstance(node, ast.Name)}
        for constant in used & set(vars(module)):
            value = vars(module)[constant]
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert any(f"{constant} =" in line for line in inspect.getsource(module).splitlines()) or constant in {"GRID", "K_ONE"}, constant


def test_kernels_are_strict_and_release_the_lock() -> None:
    for name in FILES:
        for value in vars(importlib.import_module(f"flockwise.person.{name[:-3]}")).values():
            if isinstance(value, Dispatcher):
                assert value.targetoptions["nogil"]
                assert not value.targetoptions["fastmath"]
