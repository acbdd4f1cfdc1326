"""Send yourself a mail with an attachment, without SMTP and without an app password.

python gmail_send.py you@example.com report.pdf
"""

import base64
import sys
from email.message import EmailMessage
from pathlib import Path

from arcrun import auth

to, path = sys.argv[1], Path(sys.argv[2])
mail = EmailMessage()
mail["To"], mail["Subject"] = to, path.name
mail.set_content("Attached.")
mail.add_attachment(
    path.read_bytes(), maintype="application", subtype="octet-stream", filename=path.name
)

with auth.bind("gmail", scopes="send") as gmail:
    raw = base64.urlsafe_b64encode(mail.as_bytes()).decode()
    print(gmail.post("/users/me/messages/send", json={"raw": raw}).raise_for_status().json()["id"])
