"""`http="httpx2"`: the same code with the other library, and no deprecation noise of either."""

from __future__ import annotations

import subprocess
import sys
import warnings

import httpx
import httpx2
import pytest

from arcrun_auth.client import _kit, bound_async_client, bound_client
from arcrun_auth.sources import FixedSource
from tests import bound, servers


def test_each_library_gives_its_own_classes_made_once() -> None:
    bind = bound.binding("http://127.0.0.1:1", "header")
    source = FixedSource(bound.static("k" * 9))
    for name, lib, other in (("httpx", httpx, httpx2), ("httpx2", httpx2, httpx)):
        client = bound_client(bind, source, http=name)
        assert isinstance(client, lib.Client)
        assert not isinstance(client, other.Client)
        assert isinstance(bound_async_client(bind, source, http=name), lib.AsyncClient)
        assert type(client) is _kit(name).client
        client.close()


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_no_deprecation_of_a_dependency_reaches_the_user(name, tmp_path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    ca, context = servers.authority(folder)
    with servers.recorder(None, context) as api, warnings.catch_warnings():
        warnings.simplefilter("error")
        bind = bound.binding(api.origin, "header")
        source = FixedSource(bound.static("k" * 9))
        leaf = str(folder / "leaf.pem")
        for options in ({"verify": str(ca)}, {"verify": str(ca), "cert": (leaf, leaf)}):
            with bound_client(bind, source, http=name, **options) as client:
                assert client.get("/x").status_code == 200


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_only_the_library_that_is_asked_for_is_imported(name) -> None:
    code = (
        "import sys; from arcrun_auth.client import bound_client;"
        "assert 'httpx' not in sys.modules and 'httpx2' not in sys.modules;"
        f"from arcrun_auth.client import _kit; _kit({name!r});"
        "print([m for m in ('httpx', 'httpx2') if m in sys.modules], 'anyio' in sys.modules)"
    )
    run = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"[{name!r}]")
