"""Read a range of a Google Sheet as CSV.

python sheets_to_csv.py SHEET_ID "Class Data!A2:E" > class.csv
"""

import csv
import sys
from urllib.parse import quote

from arcrun import auth

sheet, cells = sys.argv[1:]
with auth.bind("google_sheets", scopes="readonly") as sheets:
    answer = sheets.get(f"/spreadsheets/{sheet}/values/{quote(cells)}")
    csv.writer(sys.stdout).writerows(answer.raise_for_status().json().get("values", []))
