-- Which key made a key, or let the login in that made it: a device's end with it.
ALTER TABLE api_keys ADD COLUMN made_by TEXT;
ALTER TABLE device_logins ADD COLUMN made_by TEXT;
