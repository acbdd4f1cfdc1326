# ruff: noqa: INP001 - the one file of a bundle, no package
"""What Claude Desktop starts: `arcrun mcp`, as its bundle has installed it."""

import sys

from arcrun_cli import main

if __name__ == "__main__":
    sys.argv = ["arcrun", "mcp"]
    sys.exit(main())
