"""One line for each SDK that people already use: `auth.boto3_session("aws").client("s3")`.

An SDK is imported when its adapter is called, never before, and none is a dependency.
"""

from __future__ import annotations

HOMES = {
    "boto3_session": "boto3",
}
"""Every name that `auth` has from here, and the module of this package that it lives in."""
