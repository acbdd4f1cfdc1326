"""`from arcrun import auth` is the module `arcrun_auth` itself.

So are its submodules: `arcrun.auth.errors` and `arcrun_auth.errors` are one module object,
or an `except` for an error of the one would miss that of the other.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth import *  # noqa: F403
else:
    import arcrun_auth

    class _Alias:
        """Finds `arcrun.auth.X` as the module `arcrun_auth.X` that is there, or imports it."""

        def __init__(self):
            self._specs = {}

        def find_spec(self, name, path=None, target=None):  # noqa: ARG002
            if not name.startswith(f"{__name__}."):
                return None
            real = "arcrun_auth" + name.removeprefix(__name__)
            __import__(real)
            return type(__spec__)(name, self, origin=real)

        def create_module(self, spec):
            module = sys.modules[spec.origin]
            self._specs[spec.origin] = module.__spec__
            return module

        def exec_module(self, module):
            # It has run under its own name; the import system has put the alias's spec on it.
            module.__spec__ = self._specs[module.__name__]

    sys.meta_path.insert(0, _Alias())
    sys.modules[__name__] = arcrun_auth
