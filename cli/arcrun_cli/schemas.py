"""The fields of every `--json` answer, for docs/cli.md. A test holds them against the answers."""

from __future__ import annotations

CONNECTION = (
    "of the connections: `instance`, `method`, `status`, `account`, `expires_at`, `can_renew`, "
    "`refresh_expires_at`, `can_extend`, `secret_expires_at`, `warnings`, `scopes`, `device_local` "
    "(whether its login is not synced)"
)

SCHEMAS: dict[str, dict[str, str]] = {
    "every command": {
        "schema": "the version of this table, 1",
        "error": "in place of an answer: `type`, `message`, `hint`, and fields of that error",
    },
    "list": {
        "services": "the best found first: `service`, `display_name`, `category`, `account` (under "
        "which its credential is kept), `tier`, `status`, `confirmed` (whether two sources agree), "
        f"`methods`, `connected`, and in `instances` {CONNECTION}",
    },
    "test": {
        "results": "for each connection `name`, `ok`, `account`, `status` (of HTTP), and where "
        "it failed `error`, `message`, `hint`",
    },
    "check": {
        "project": "the file that declares them",
        "ok": "whether all of them can be used",
        "services": "`name`, `status` (as of `why`; or `missing scopes`, `not agreed`, "
        "`unknown service`, `unusable`), `ok`, `missing` (keys of secrets, scopes, or `login`), "
        "and where it is not ok `error`, `message`, `hint`",
    },
    "agents check": {
        "root": "the folder of the project",
        "ok": "whether all is as `arcrun agents init` would write it",
        "files": "`path`, `state` (`current`, `outdated`, `absent` or `broken`), and in `message` "
        "why it is broken",
    },
    "keepalive": {
        "results": "for each connection `name`, `services` (all that use it), `outcome` "
        "(`renewed`, `fine`, `left`, `failed`), `warnings`, and where it failed `error`, "
        "`message`, `hint`",
    },
    "audit": {
        "entries": "newest first: `n` (its number), `time`, `device`, `action`, `name`, `host`, "
        "`result`, `program`, and of an agent's request `client` and `request` (else empty)",
        "unread": "why the other devices' could not be fetched; empty where they were, or are none",
    },
    "audit --verify": {
        "count": "how many entries were read",
        "head": "the hash of the last one; empty where the chain is broken",
        "findings": "what is not as it was written: `what`, `n` (at which entry), `text`, "
        "`device` (empty for this one)",
        "others": "for each other device `device`, `name`, `count`, `head`",
        "unread": "why those could not be fetched",
    },
    "policy": {
        "locked": "whether it takes a passphrase to allow more",
        "rules": "in the order they were made: `id`, `allow` (false for a prohibition), `service` "
        "and `instance` (`*` for all), `what` (`read`, `write`, a command, or `any`), `methods`, "
        "`paths`, `client` (`*` for any), `left` (how many more times, or null), `approved` "
        "(whether it is one request that was approved), `expires_at` (or null), `created_at`",
    },
    "approve": {
        "requests": "that wait, the oldest first: `id`, `service`, `instance`, `client`, `method`, "
        "`host`, `path`, `size` (of the body, in bytes), `preview`, `asked_at`, `expires_at`",
    },
    "ci create": {
        "name": "its name",
        "services": "the connections that it holds",
        "secret": "which of the variables are secret",
        "variables": "what its jobs need in their environment, by name; not shown again",
    },
    "ci list": {
        "vaults": "`name`, `services`, `server`, `key_id` (of the API key, or empty), `vault_id` "
        "(for identity tokens, or empty), `subject`, `created`",
    },
    "token": {
        "access_token": "the token",
        "token_type": "as the provider calls it",
        "expires_at": "when it ends, or null",
        "scopes": "what it may do, sorted",
    },
    "proxy": {
        "url": "where it listens; every service is below that",
        "socket": "the Unix socket that it listens at instead, or null",
        "token": "the bearer of the session, or null",
        "token_file": "the file that it is in instead, or null",
        "client": "what the session is called",
        "ends": "when it ends",
        "services": "`name`, and `base_url` in place of the service's",
        "env": "variables for a program that uses it, by name",
    },
    "credential oidc": {
        "token": "the identity token of the job",
        "expires_at": "when it ends, or null",
    },
    "why": {
        "service": "its name",
        "instance": "the instance",
        "method": "the way in",
        "status": "`connected`, `untested`, `expired`, `revoked`, `incomplete` or `not connected`",
        "recipe": "the recipe's file",
        "tier": "who supplied it: `bundled`, `official`, `community`, `local` or `platform`",
        "hosts": "the only hosts that get the secret",
        "origins": "of each secret: `key`, `store`, `place`; never the value",
        "identity": "whose account it is",
        "scopes": "granted",
        "missing_scopes": "asked for and not granted",
        "expires_at": "when the access token ends, or null",
        "can_renew": "whether it is renewed then by itself",
        "refresh_expires_at": "when the login itself ends, or null",
        "can_extend": "whether each renewal puts that off",
        "secret_expires_at": "when the key ends, or null",
        "warnings": "what will end soon, and after the arrow the command to type",
        "can_revoke": "whether the provider can be told to end the login",
        "shared_with": "the other services that use the same credential",
        "project": "the pyproject.toml that chose the instance, or null",
        "app": "of each part of your OAuth app: `key`, `store`, `place`; never the value",
        "ownership": "whose OAuth app it is, or would be: `own`, `shared` (the recipe's public "
        "one), `managed` (a server's), or empty",
        "through": "the server whose app it is, which its tokens pass in passing; else empty",
    },
    "account keys": {
        "keys": "`id`, `kind` (`account`, `device` or `ci`), `label`, `created_at`, "
        "`last_used_at`, `expires_at` (empty where there is none), `current` (the one that "
        "asked); never a text",
    },
    "whoami": {
        "server": "the platform's address",
        "account": "the account's id there",
        "email": "its address, if it gave one",
        "display_name": "its name, if it gave one",
        "role": "`user`, `recipes` or `admin`",
        "provider": "who signed it in; `key` for an account that has only keys",
        "source": "where the key comes from: a store, or a variable",
    },
    "app list": {
        "apps": "`name`, `services`, `client_id`, `complete`, `ends` (the day its secret does, or "
        "null), and in `origins` of each part `key`, `store`, `place`; never a secret",
    },
    "app show": {
        "name": "the app's",
        "services": "that share it",
        "app": "what is there of it, as in `app list`, or null",
        "guides": "`service`, `method`, `app_register_url`, `redirect_uris`, `scopes`, and in "
        "`steps` `text`, `url`, `values` to paste",
    },
    "show": {
        "service": "its name",
        "display_name": "its title",
        "description": "one sentence",
        "category": "its kind",
        "aliases": "other names",
        "status": "`active`, `deprecated` or `closed`",
        "successor": "what to use instead, or null",
        "tier": "who supplied the recipe",
        "path": "its file",
        "docs_url": "the documentation of the API, or null",
        "methods": "of each way in: `id`, `primitive`, `secrets`, `params`, `hosts`, `git` and "
        "`docker` (the hosts for which these get the token), `base_url`, `scopes`, `scope_sets`, "
        "`app_register_url`",
        "tags": "words that it is found by",
        "agent": "what reads beside GET and HEAD: `read` (`method`, `path`, `graphql`), `rpc` (GET "
        "acts too), `never` (paths that an agent may not call)",
        "instances": f"{CONNECTION}; null where the vault is locked",
        "verified": "`date`, `method` and `sources` of the last check, or null",
    },
    "doctor": {
        "ok": "whether nothing failed",
        "checks": "of each: `name`, `state` (`ok`, `warn`, `fail`), `message`, `hint`",
    },
    "recipes list": {
        "recipes": "`service`, `display_name`, `category`, `tier`, `status`, `path`, `methods`, "
        "`aliases`",
        "problems": "files that are not usable: `path`, `line`, `field`, `message`",
    },
    "recipes update": {
        "sources": "of each: `tier`, `changed`, `error` (`type`, `message`, or null), and in "
        "`unusable` what it lists that is no recipe, or stays as it was, with the reason",
        "changes": "`service`, `kind` (`new`, `changed`, `removed`), and in `consent` what of it "
        "is asked about before it is used",
    },
    "recipes lint": {
        "files": "how many were read",
        "findings": "`path`, `line`, `field`, `rule`, `message`, `mend`, `severity`",
    },
    "recipes test": {
        "results": "for each connection `name`, `method`, `ok`, in `steps` of each `name`, `says` "
        "(the recipe), `came` (back), `state` (`ok`, `warn`, `fail`, `skip`), and where one "
        "failed `error`, `message`, `hint`",
        "not_connected": "the ways in that were not tried",
        "verified": "what the recipe may say of it now (`date`, `method`, `sources`), or null",
    },
    "recipes diff": {
        "service": "its name",
        "compared": "of each: `name` (the connection), `against` (`agreed`, `in use`, or `nothing` "
        "where the service is new), `asks` (whether somebody has to agree), and in `differences` "
        "`field`, `before`, `after`, `meaning`",
    },
    "vault status": {
        "path": "the file",
        "exists": "whether it is there",
        "why_not": "why it cannot be opened now, or null",
        "opened_by": "which key opened it, or null",
        "slots": "its keys: `number`, `kind` (`keyring`, `passphrase`, `key`, `recovery`)",
        "records": "how many it holds",
        "quarantined": "how many damaged ones were set aside",
        "set_aside": "damaged vaults that were renamed",
        "rotating": "whether a rotation is under way",
        "epoch": "how often its master key changed, plus one",
        "vault_id": "its id",
        "journal": "SQLite's journal mode",
    },
}
