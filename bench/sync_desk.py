"""The platform in a process of its own, for row 17: says its port, and serves until it is ended."""

from __future__ import annotations

import sys

import uvicorn

from arcrun_auth.server.config import Config, Limits
from arcrun_auth.server.database import open_database
from arcrun_auth.server.running import listening
from arcrun_auth.server.web import Server


def main(folder: str) -> None:
    listener = listening("127.0.0.1", 0)
    port = listener.getsockname()[1]
    limits = Limits(key_rate=0, address_rate=0)
    config = Config(registration="open", url=f"http://127.0.0.1:{port}", limits=limits)
    app = Server(open_database(f"{folder}/server.db"), config)
    print(port, flush=True)
    served = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
    uvicorn.Server(served).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
