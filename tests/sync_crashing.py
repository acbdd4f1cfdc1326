"""A process that dies at the n-th thing it does to the server, the store or its memory.

Before it, or after: a batch that arrives and whose answer does not, a record that is put and
not noted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from arcrun_auth.stores.base import Store
from arcrun_auth.sync.wire import Wire

if TYPE_CHECKING:
    from tests.sync_kit import Home


class Crash(BaseException):
    """The process is gone: nothing of ours catches this."""


class Fuse:
    """Burns down by one at each step, and ends the process at zero."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1

    def around(self, call, *args, **more):
        self.step()
        done = call(*args, **more)
        self.step()
        return done


class FragileWire(Wire):
    def __init__(self, inner: Wire, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def rows_since(self, cursor):
        return self._fuse.around(self._inner.rows_since, cursor)

    def row(self, name):
        return self._fuse.around(self._inner.row, name)

    def write(self, batch):
        return self._fuse.around(self._inner.write, batch)


class FragileStore(Store):
    def __init__(self, inner: Store, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def get(self, key):
        return self._inner.get(key)

    def keys(self):
        return self._inner.keys()

    def put(self, record, *, expect):
        return self._fuse.around(self._inner.put, record, expect=expect)

    def delete(self, key, *, expect):
        self._fuse.around(self._inner.delete, key, expect=expect)


def dies(home: Home, steps: int) -> bool:
    """Syncs `home`, whose process ends after so many steps. Whether it did not get that far."""
    fuse = Fuse(steps)
    wire, store, transaction = home.wire, home.store, home.state.transaction

    @contextmanager
    def fragile():
        fuse.step()
        with transaction():
            yield
        fuse.step()

    home.wire, home.store = FragileWire(wire, fuse), FragileStore(store, fuse)
    home.state.transaction = fragile
    try:
        home.sync()
    except Crash:
        return True
    finally:
        home.wire, home.store = wire, store
        del home.state.transaction
    return False
