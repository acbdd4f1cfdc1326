-- What SQLite and PostgreSQL read alike. Times are seconds since the epoch; flags are 0 and 1.

CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  -- What somebody says, or an issuer: nothing is decided by it.
  email TEXT,
  display_name TEXT NOT NULL,
  avatar_url TEXT NOT NULL,
  provider TEXT NOT NULL,
  -- Who it is at the issuer that signs in: an address may change hands.
  subject TEXT UNIQUE,
  -- user | recipes | admin
  role TEXT NOT NULL,
  -- The number of the last change: each change gets the next one, under the lock of this row.
  seq BIGINT NOT NULL,
  row_count BIGINT NOT NULL,
  audit_count BIGINT NOT NULL,
  audit_head TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL
);

-- A key is 192 random bits: its SHA-256 tells nothing of it, and can be looked up.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  hash TEXT NOT NULL UNIQUE,
  tail TEXT NOT NULL,
  -- account | device | ci
  kind TEXT NOT NULL,
  label TEXT NOT NULL,
  -- The rows that a key of kind ci may fetch, as JSON; NULL for all.
  row_names TEXT,
  created_at DOUBLE PRECISION NOT NULL,
  last_used_at DOUBLE PRECISION,
  expires_at DOUBLE PRECISION
);
CREATE INDEX api_keys_account ON api_keys (account);

-- `fold` is the name in lower case: two names that differ in case alone cannot both be there.
-- A row of sync that was deleted stays, empty, so that whoever asks by number hears of it.
CREATE TABLE credentials (
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  fold TEXT NOT NULL,
  name TEXT NOT NULL,
  sync SMALLINT NOT NULL,
  encrypted TEXT NOT NULL,
  iv TEXT NOT NULL,
  version BIGINT NOT NULL,
  deleted SMALLINT NOT NULL,
  service TEXT,
  sensitivity TEXT,
  created_at DOUBLE PRECISION NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  last_used_at DOUBLE PRECISION,
  PRIMARY KEY (account, fold)
);
CREATE INDEX credentials_version ON credentials (account, sync, version);

CREATE TABLE leases (
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  lease TEXT NOT NULL,
  holder TEXT NOT NULL,
  fence BIGINT NOT NULL,
  held SMALLINT NOT NULL,
  begun SMALLINT NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  interrupted_fence BIGINT,
  interrupted_by TEXT,
  interrupted_at DOUBLE PRECISION,
  PRIMARY KEY (account, name)
);

CREATE TABLE enrolments (
  id TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX enrolments_account ON enrolments (account);

CREATE TABLE enrolment_messages (
  enrolment TEXT NOT NULL REFERENCES enrolments (id) ON DELETE CASCADE,
  account TEXT NOT NULL,
  n BIGINT NOT NULL,
  sender TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (enrolment, n)
);

CREATE TABLE audit (
  account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  n BIGINT NOT NULL,
  -- Whole seconds: a number that every language writes alike.
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  name TEXT NOT NULL,
  result TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (account, n)
);

-- What lets somebody register where registration is not open; of role admin at the first start.
CREATE TABLE invites (
  hash TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE recipes (
  service TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  by_account TEXT NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL
);
