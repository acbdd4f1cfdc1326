"""`from arcrun import auth` is the module `arcrun_auth` itself, submodules included."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arcrun_auth import *  # noqa: F403
else:
    import arcrun_auth

    sys.modules[__name__] = arcrun_auth
