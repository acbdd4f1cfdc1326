"""A reverse proxy on this machine: `http://127.0.0.1:PORT/notion/…` is the service, signed.

A program is given an address and a bearer of this session, in place of the service's own. Any
language and SDK that has a base URL works, and there is no certificate to trust: what comes here
is plain HTTP that never leaves the machine, what goes out is the gateway's. `address` and `bearer`
read what was asked, `forwarding` asks the gateway, `server` and `wire` are the HTTP below.

Why h11: it comes with the HTTP library, and is the strict reader of requests that a server at
a shared address needs. What the standard library has accepts what RFC 9112 forbids.
"""

from __future__ import annotations

from arcrun_auth.agents.proxy.running import Proxy
from arcrun_auth.agents.proxy.session import Session, new_session

__all__ = ["Proxy", "Session", "new_session"]
