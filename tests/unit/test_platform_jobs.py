"""Keys for CI jobs by their identity tokens: which job gets which rows, and which gets none."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from arcrun_auth import errors
from arcrun_auth.ci_identity import REQUEST_TOKEN, REQUEST_URL
from arcrun_auth.server.config import Config
from arcrun_auth.server.providers import Providers
from arcrun_auth.settings import Settings
from arcrun_auth.stores.memory import Memory
from arcrun_auth.sync import account, logging_in
from arcrun_auth.sync.job import job_key
from tests import canary
from tests.issuer import Issuer
from tests.platform_desk import FREE, desk
from tests.servers import GUARD, Reply, raw_server, recorder
from tests.surfer import Surfer

MAIN = "repo:ada/site:ref:refs/heads/main"


@pytest.fixture
def issuer():
    with recorder() as server:
        found = Issuer(server)
        found.user = MAIN
        yield found


@pytest.fixture
def there(tmp_path, issuer):
    config = Config(
        registration="open", limits=FREE, providers=Providers(allow_hosts=(issuer.issuer,))
    )
    with desk(tmp_path / "server", config) as found:
        yield found


@pytest.fixture
def owner(there):
    with there.account() as cloud:
        cloud.put_row("s_aa", "A" * 24, "A" * 16)
        cloud.put_row("s_bb", "A" * 24, "A" * 16)
        yield cloud


def vault(owner, signer, **changed):
    body = {
        "label": "site", "rows": ["s_aa"], "issuer": signer.issuer,
        "subject": "repo:ada/site:ref:refs/heads/*",
    }  # fmt: skip
    return owner.ask("POST", "/me/ci", body | changed)["id"]


def asked(there, vault, token):
    with there.cloud() as nobody:
        return nobody.ask("POST", "/auth/ci", {"vault": vault, "token": token})


def test_a_job_gets_a_key_to_its_rows_for_fifteen_minutes(there, owner, issuer):
    name = vault(owner, issuer)
    answer = asked(there, name, issuer.token(audience=there.url))
    with there.cloud(answer["api_key"]) as job:
        assert job.row("s_aa") is not None
        with pytest.raises(errors.AuthError):
            job.row("s_bb")
        with pytest.raises(errors.AuthError):
            job.put_row("s_aa", "A" * 24, "A" * 16)
        there.database._clock = time.time
    ends = there.database.read(
        lambda tx: tx.one("SELECT expires_at - created_at FROM api_keys WHERE kind = 'ci'")
    )
    assert ends == (900,)
    assert owner.ask("GET", "/me/ci")["vaults"][0]["id"] == name


def test_another_job_gets_none(there, owner, issuer):
    name = vault(owner, issuer)
    for change in (
        {"sub": "repo:eve/site:ref:refs/heads/main"}, {"sub": "repo:ada/site:pull_request"},
        {"audience": "https://other.example"}, {"audience": ["https://other.example"]},
        {"iss": "https://evil.example"}, {"exp": 1},
    ):  # fmt: skip
        with pytest.raises(errors.TokenRefused):
            asked(there, name, issuer.token(**{"audience": there.url, **change}))
        keys = there.database.read(lambda tx: tx.all("SELECT id FROM api_keys WHERE kind = 'ci'"))
        assert keys == [], change


def test_a_vault_that_is_gone_gives_no_key(there, owner, issuer):
    name = vault(owner, issuer)
    token = issuer.token(audience=there.url)
    owner.ask("DELETE", f"/me/ci/{name}")
    for each in (name, "ci_0000000000000000"):
        with pytest.raises(errors.TokenRefused):
            asked(there, each, token)
    with pytest.raises(errors.AuthError):
        owner.ask("DELETE", f"/me/ci/{name}")


def test_one_account_sees_and_ends_nothing_of_anothers(there, owner, issuer):
    name = vault(owner, issuer)
    with there.account() as other:
        assert other.ask("GET", "/me/ci")["vaults"] == []
        with pytest.raises(errors.AuthError):
            other.ask("DELETE", f"/me/ci/{name}")
    assert len(owner.ask("GET", "/me/ci")["vaults"]) == 1


def test_a_vault_names_whose_jobs_and_an_issuer_that_can_be_asked(there, owner, issuer):
    for changed in (
        {"subject": "*"}, {"subject": ""}, {"issuer": "http://169.254.169.254"},
        {"issuer": "https://localhost"}, {"rows": []}, {"rows": ["a b"]},
    ):  # fmt: skip
        with pytest.raises(errors.AuthError):
            vault(owner, issuer, **changed)


def test_keys_of_jobs_that_have_ended_do_not_fill_the_account(there, owner, issuer):
    name = vault(owner, issuer)
    start = time.time()
    there.database._clock = lambda: start
    asked(there, name, issuer.token(audience=there.url))
    there.database._clock = lambda: start + 901
    issuer.claims = {"exp": int(start) + 2000}
    asked(there, name, issuer.token(audience=there.url))
    count = there.database.read(
        lambda tx: tx.one("SELECT count(*) FROM api_keys WHERE kind = 'ci'")
    )
    assert count == (1,)


# -- in the job -------------------------------------------------------------------------------


class Job:
    """A CI job, whose system gives it identity tokens on request."""

    def __init__(self, there, issuer, folder, vault):
        self.there, self.issuer, self.vault, self.times = there, issuer, vault, 0
        self.bearer = canary.fresh("bearer")
        self._recorder = recorder()
        self.server = self._recorder.__enter__()
        self.server.answer = lambda _: self._token(issuer)
        environ = {
            REQUEST_URL: f"{self.server.origin}/token?x=1", REQUEST_TOKEN: self.bearer,
            "ARCRUN_SERVER": there.url, "ARCRUN_CI_VAULT": vault,
            "ARCRUN_ALLOW_HOSTS": f"{there.url},{self.server.origin}",
        }  # fmt: skip
        self.settings = Settings(str(folder / "home"), environ=environ)

    def _token(self, issuer):
        self.times += 1
        token = issuer.token(audience=self.there.url)
        return Reply(body=json.dumps({"value": token}).encode())

    def close(self):
        self._recorder.__exit__(None, None, None)


@pytest.fixture
def job(there, owner, issuer, tmp_path):
    found = Job(there, issuer, tmp_path, vault(owner, issuer))
    yield found
    found.close()


def test_a_job_reads_its_rows_with_nothing_stored(job):
    found = account.account(Memory(), job.settings)
    assert job.times == 0  # nothing is asked for before it is needed
    with found.cloud() as cloud:
        assert cloud.row("s_aa") is not None
    found.api_key()
    assert job.times == 1


def test_a_key_that_ends_is_asked_for_anew(job):
    now = [time.time()]
    job.there.database._clock = lambda: now[0]
    found = account.account(Memory(), job.settings, clock=lambda: now[0])
    first = found.api_key()
    now[0] += 850
    job.issuer.claims = {"exp": int(now[0]) + 300}
    assert found.api_key() != first
    assert job.times == 2


def test_a_job_may_log_in_for_the_commands_that_follow(job):
    store = Memory()
    found = logging_in.by_job(store, job.settings, job.there.url, job.vault, clock=time.time)
    assert found.ends is not None
    assert store.get(account.KEY).ends == found.ends


def test_outside_of_a_job_it_says_what_is_missing(job):
    environ = {"ARCRUN_SERVER": job.there.url, "ARCRUN_CI_VAULT": job.vault}
    found = account.account(Memory(), Settings(job.settings.home, environ=environ))
    with pytest.raises(errors.AuthError, match="no CI job"):
        found.api_key()
    without = {"ARCRUN_CI_VAULT": job.vault}
    with pytest.raises(errors.AuthError) as caught:
        account.account(Memory(), Settings(job.settings.home, environ=without))
    assert "ARCRUN_SERVER" in caught.value.hint


def test_a_platform_that_answers_without_a_key_is_told_as_one(job):
    with recorder(lambda _: Reply(
        headers={"Arcrun-Protocol": "1"}, body=b'{"success": true}'
    )) as odd:  # fmt: skip
        environ = {**job.settings.environ, "ARCRUN_SERVER": odd.origin}
        environ["ARCRUN_ALLOW_HOSTS"] += f",{odd.origin}"
        token_for = job.server.answer
        settings = Settings(job.settings.home, environ=environ)
        with pytest.raises(errors.AuthError):
            job_key(odd.origin, job.vault, settings, time.time)
        assert token_for is job.server.answer


# -- whoever has an account, and means harm ----------------------------------------------


@pytest.mark.parametrize(
    "subject",
    ["*", "*:x", "repo:*", "repo:*:ref:refs/heads/main", "repo:ada*", "repo:ada*:x", "r*", "a:*"],
)
def test_a_pattern_says_whose_jobs_before_it_leaves_anything_open(there, owner, issuer, subject):
    """Anybody has a job at a public CI system, in a repository of whatever name is free."""
    with pytest.raises(errors.AuthError, match="whose jobs"):
        vault(owner, issuer, subject=subject)


@pytest.mark.parametrize("subject", [MAIN, "1234567", "repo:ada/*:ref:x", "org:ada:project:*"])
def test_one_that_does_is_taken(there, owner, issuer, subject):
    assert vault(owner, issuer, subject=subject)


def test_an_issuer_that_does_not_answer_holds_up_nobody_else(tmp_path, issuer):
    """Its address is any account's choice."""
    held, asking = threading.Event(), threading.Semaphore(0)

    def hold(sock):
        asking.release()
        held.wait(GUARD)

    with raw_server(hold) as silent:
        allow = (issuer.issuer, silent)
        config = Config(registration="open", limits=FREE, providers=Providers(allow_hosts=allow))
        with desk(tmp_path / "server", config) as there, there.account() as owner:
            known = vault(owner, issuer)
            assert asked(there, known, issuer.token(audience=there.url))["api_key"]
            hung = [
                owner.ask("POST", "/me/ci", {"label": "x", "rows": ["s_0"],
                          "issuer": f"{silent}/{n}", "subject": "a:b/*"})["id"]
                for n in range(40)
            ]  # fmt: skip
            with ThreadPoolExecutor(40) as pool:
                tries = [pool.submit(asked, there, each, "x.y.z") for each in hung]
                try:
                    assert asking.acquire(timeout=GUARD)
                    there.app.site.issuers._clock = lambda: time.monotonic() + 7200
                    surfer = Surfer()
                    surfer.only(f"{there.url}/device")
                    assert surfer.status == 200
                    assert asked(there, known, issuer.token(audience=there.url))["api_key"]
                    assert not held.is_set()
                finally:
                    held.set()
                for each in tries:
                    assert isinstance(each.exception(GUARD), errors.AuthError)
