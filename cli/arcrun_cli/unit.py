"""A unit for systemd that runs `arcrun serve`: printed, and installed by whoever wants it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from arcrun_cli.daily import unit_line
from arcrun_cli.programs import check_lines, executable

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT = "arcrun-server"

THEN = (
    f"Save it as /etc/systemd/system/{UNIT}.service, then:\n"
    "  systemctl daemon-reload\n"
    f"  systemctl enable --now {UNIT}\n"
    f"The link for the admin's account: journalctl -u {UNIT}\n"
    "For PostgreSQL put ARCRUN_DATABASE_URL=... into /etc/arcrun/server.env, readable by root "
    "alone."
)

_PASSED = ("host", "port", "url", "tls_cert", "tls_key", "proxy", "registration")
_PATHS = ("tls_cert", "tls_key")


def text(given: Mapping[str, Any]) -> str:
    """The unit, with the options that were given: systemd.service(5), systemd.exec(5)."""
    folder = os.path.abspath(given["data"]) if given["data"] else ""
    words = [*executable(), "serve", "--data", folder or "%S/arcrun"]
    options: list[str] = []
    for name in _PASSED:
        value = given[name]
        if value:
            value = os.path.abspath(value) if name in _PATHS else str(value)
            options += [f"--{name.replace('_', '-')}", value]
    check_lines([*words, *options], "unit")
    # %S is systemd's own word, for the folder that StateDirectory makes.
    line = unit_line([*words, *options]).replace("%%S/arcrun", "%S/arcrun")
    own = f"ReadWritePaths={unit_line([folder])}\n" if folder else "StateDirectory=arcrun\n"
    return (
        f"# /etc/systemd/system/{UNIT}.service\n"
        "[Unit]\nDescription=The platform of arcrun-auth\nAfter=network-online.target\n"
        "Wants=network-online.target\n\n"
        f"[Service]\nExecStart={line}\nEnvironmentFile=-/etc/arcrun/server.env\n"
        "DynamicUser=yes\n"
        f"{own}StateDirectoryMode=0700\nUMask=0077\nRestart=on-failure\nTimeoutStopSec=30\n"
        "NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=read-only\nPrivateTmp=yes\n"
        "PrivateDevices=yes\nProtectKernelTunables=yes\nProtectControlGroups=yes\n"
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\nCapabilityBoundingSet=\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )
