-- What logins need. The key by which the server seals what it hands out: all processes share it.
CREATE TABLE server_keys (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- What may be used once, until it would have ended by itself: a hash, and nothing of its meaning.
CREATE TABLE spent (
  hash TEXT PRIMARY KEY,
  expires_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX spent_expires ON spent (expires_at);

-- A login by a code that is typed elsewhere (RFC 8628). status: pending | approved | denied.
CREATE TABLE device_logins (
  hash TEXT PRIMARY KEY,
  user_code TEXT NOT NULL UNIQUE,
  label TEXT NOT NULL,
  status TEXT NOT NULL,
  account TEXT REFERENCES accounts (id) ON DELETE CASCADE,
  pause DOUBLE PRECISION NOT NULL,
  asked_at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX device_logins_expires ON device_logins (expires_at);

-- Which jobs of a CI system may have a key to which rows, by the identity token they show.
CREATE TABLE ci_vaults (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  label TEXT NOT NULL,
  row_names TEXT NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX ci_vaults_account ON ci_vaults (account);
