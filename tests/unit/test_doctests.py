"""The examples in docstrings run as they stand."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import arcrun_auth

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(arcrun_auth.__path__, "arcrun_auth.")
    if module.name != "arcrun_auth.testing.store_contract"  # fixtures, which pytest alone runs
)


@pytest.mark.parametrize("name", ["arcrun_auth", *MODULES])
def test_the_examples_of_a_module_run(name, tmp_path) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL | doctest.ELLIPSIS)
    for found in doctest.DocTestFinder().find(module, extraglobs={"folder": str(tmp_path)}):
        if found.examples:  # a run of none looks at the files of all modules, as a debugger does
            assert runner.run(found).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    count = sum(
        bool(found.examples)
        for name in MODULES
        for found in finder.find(importlib.import_module(name))
    )
    assert count >= 10
