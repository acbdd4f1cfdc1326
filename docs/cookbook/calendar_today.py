"""What is still to come today in Google Calendar."""

from datetime import datetime, time

from arcrun import auth

now = datetime.now().astimezone()
with auth.bind("google_calendar", scopes="readonly") as calendar:
    answer = calendar.get(
        "/calendars/primary/events",
        params={
            "timeMin": now.isoformat(),
            "timeMax": datetime.combine(now, time.max).astimezone().isoformat(),
            "singleEvents": "true",
            "orderBy": "startTime",
        },
    )
    for event in answer.raise_for_status().json()["items"]:
        start = event["start"].get("dateTime", event["start"].get("date"))
        print(start, event.get("summary", "(no title)"))
