"""The open issues of a GitHub repository as CSV, all pages of them.

python github_issues.py owner/name > issues.csv
"""

import csv
import sys

from arcrun import auth

out = csv.writer(sys.stdout)
with auth.bind("github") as github:
    url = f"/repos/{sys.argv[1]}/issues?per_page=100"
    while url:
        answer = github.get(url).raise_for_status()
        for issue in answer.json():
            if "pull_request" not in issue:
                out.writerow([issue["number"], issue["user"]["login"], issue["title"]])
        url = answer.links.get("next", {}).get("url")  # a whole URL, to a host that was agreed to
