"""The stores that the contract suite runs on, and what each of them cannot do.

A test takes the fixture ``store`` and runs once per implementation. One that needs something not
every server has names it: ``@pytest.mark.needs("file_beside_directory")``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from phfs.s3.store import Store
from tests.contract.implementations import IMPLEMENTATIONS, Implementation


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker this suite reads."""
    config.addinivalue_line("markers", "needs(*names): capabilities of a store the test needs")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes ``store`` every implementation that can do what it needs."""
    if "store" not in metafunc.fixturenames:
        return
    needs = {name for mark in metafunc.definition.iter_markers("needs") for name in mark.args}
    able = [each for each in IMPLEMENTATIONS if not needs & each.lacks]
    assert able, f"no implementation has {needs}"
    params = [
        pytest.param(each, id=each.name, marks=[pytest.mark.real] if each.real else [])
        for each in able
    ]
    metafunc.parametrize("place", params, indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Store]:
    """The implementation under test, not yet opened."""
    implementation: Implementation = request.param
    return implementation.open(request)


@pytest.fixture
async def store(place: AbstractAsyncContextManager[Store]) -> AsyncIterator[Store]:
    """An empty store."""
    async with place as opened:
        yield opened
