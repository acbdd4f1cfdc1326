"""What is still to come today in Google Calendar."""

from datetime import datetime, time

from arcrun import auth

now = datetime.now().astimezone()
end = datetime.combine(now, time.max).astimezone()
params = {"timeMin": now.isoformat(), "timeMax": end.isoformat(), "singleEvents": True}
with auth.bind("google_calendar", scopes="readonly") as calendar:
    answer = calendar.get("/calendars/primary/events", params=params | {"orderBy": "startTime"})
    for event in answer.raise_for_status().json()["items"]:
        start = event["start"].get("dateTime", event["start"].get("date"))
        print(start, event.get("summary", "(no title)"))
