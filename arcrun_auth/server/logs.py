"""What the server logs: one JSON object a line, for each request and each event.

It names routes, never paths, and no header or body: no key, no name of a row, nothing that
somebody sent is in it. A key is told by its id.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arcrun_auth.server.routes import Call, Route

LOGGER = logging.getLogger("arcrun_auth.server")


class Lines(logging.Formatter):
    """A record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "more", {}),
        }
        return json.dumps(line, ensure_ascii=True)


def answered(route: Route, call: Call, status: int, seconds: float) -> None:
    """One request that got its answer."""
    if LOGGER.isEnabledFor(logging.INFO):
        more = {
            "method": route.method, "route": route.path, "status": status,
            "ms": round(seconds * 1000, 2), "key": call.caller.key if call.caller else None,
            "from": call.address,
        }  # fmt: skip
        LOGGER.info("request", extra={"more": more})


def failed(route: Route) -> None:
    """An error of ours: where it was raised, and its type. Its text may hold what was sent."""
    kind, _, trace = sys.exc_info()
    frames = [f"{f.name} ({f.filename.rpartition('/')[2]}:{f.lineno})"
              for f in traceback.extract_tb(trace)[-6:]]  # fmt: skip
    more = {"method": route.method, "route": route.path, "error": kind.__name__ if kind else "",
            "frames": frames}  # fmt: skip
    LOGGER.error("failed", extra={"more": more})


def database_failed(cause: str) -> None:
    """The database did not do what it was asked. `cause` is its name for that."""
    LOGGER.error("database failed", extra={"more": {"cause": cause}})
