"""Append a row to a Google Sheet: a measurement, a lead, a line of a log.

python sheets_append.py SHEET_ID "2026-03-01" 21.5 "living room"
"""

import sys

from arcrun import auth

sheet, *row = sys.argv[1:]
with auth.bind("google_sheets") as sheets:
    answer = sheets.post(
        f"/spreadsheets/{sheet}/values/A1:append",
        params={"valueInputOption": "USER_ENTERED"},
        json={"values": [row]},
    )
    print(answer.raise_for_status().json()["updates"]["updatedRange"])
