"""A workload's own token: from files, URLs and programs; and programs that misbehave."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arcrun_auth import errors, programs, workload
from arcrun_auth.primitives.documents import account_in
from arcrun_auth.workload import Place, read_small, subject_token
from tests import canary, servers
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

JWT = "urn:ietf:params:oauth:token-type:jwt"
NOW = 1_800_000_000.0
HANG = 30  # a guard against hanging, no measure of anything


def place(**more) -> Place:
    return Place(**{"environ": dict(os.environ), "now": NOW, **more})


def document(**source) -> dict:
    return {"audience": "//pool", "subject_token_type": JWT, "credential_source": source}


def got(where: Place | None = None, **source) -> str:
    return subject_token(document(**source), where or place()).reveal()


@pytest.fixture
def given_file(tmp_path):
    (tmp_path / "given").mkdir()
    return tmp_path / "given" / "token"


# -- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["{}", "{}\n", " {}\r\n", "\ufeff{}"])
def test_a_token_in_a_file_is_taken_without_what_is_around_it(given_file, written) -> None:
    token = canary.fresh()
    given_file.write_text(written.format(token), encoding="utf-8")
    assert got(file=str(given_file)) == token


def test_a_member_of_a_json_file(given_file) -> None:
    token = canary.fresh()
    given_file.write_text(json.dumps({"access": {"a": 1}, "id": token}))
    form = {"type": "json", "subject_token_field_name": "id"}
    assert got(file=str(given_file), format=form) == token
    for name in ("access", "nothing"):
        with pytest.raises(errors.AuthError, match="none"):
            got(file=str(given_file), format={**form, "subject_token_field_name": name})
    given_file.write_text("[]")
    with pytest.raises(errors.AuthError, match="no JSON object"):
        got(file=str(given_file), format=form)


def test_a_file_that_is_not_there_or_cannot_be_read_is_told(given_file, tmp_path) -> None:
    with pytest.raises(errors.AuthError, match="not there"):
        got(file=str(given_file))
    with pytest.raises(errors.AuthError, match="not there"):
        got(file=f"{__file__}/token")
    with pytest.raises(errors.AuthError, match="no file of at most"):
        got(file=os.devnull)
    given_file.write_bytes(b"x" * (workload.MAX_FILE + 1))
    with pytest.raises(errors.AuthError, match="no file of at most"):
        got(file=str(given_file))
    given_file.write_bytes(b"\xff\xfe")
    with pytest.raises(errors.AuthError, match="no text"):
        got(file=str(given_file))
    given_file.write_bytes(b"")
    with pytest.raises(errors.AuthError, match="is none"):
        got(file=str(given_file))
    with pytest.raises(errors.AuthError, match="cannot be read"):
        got(file="a\0b")
    with pytest.raises(errors.AuthError, match="cannot be read"):
        got(file="x" * 5000)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_that_nobody_fills_keeps_nobody_waiting(given_file) -> None:
    os.mkfifo(given_file)
    with pytest.raises(errors.AuthError, match="no file of at most"):
        got(file=str(given_file))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "where the workload's token is"),
        ({}, "none, or several"),
        ({"file": "a", "url": "b"}, "none, or several"),
        ({"certificate": {}}, "client certificate"),
        ({"environment_id": "aws1", "url": "b"}, "another cloud"),
        ({"file": 7}, "'file'"),
        ({"url": ""}, "'url'"),
        ({"executable": "x"}, "'executable'"),
        ({"file": os.devnull, "format": "json"}, "no file of"),
    ],
)
def test_a_document_that_says_no_place_is_refused(source, says) -> None:
    with pytest.raises(errors.AuthError, match=says):
        subject_token({"credential_source": source}, place())


def test_an_unknown_format_is_refused(given_file) -> None:
    given_file.write_text("token")
    with pytest.raises(errors.AuthError, match="unknown format: xml"):
        got(file=str(given_file), format={"type": "xml"})
    with pytest.raises(errors.AuthError, match="'format'"):
        got(file=str(given_file), format="text")


# -- URLs ----------------------------------------------------------------------------------


def test_a_token_at_a_url_is_asked_for_with_the_documents_own_headers() -> None:
    token, bearer = canary.fresh(), canary.fresh("request")

    def answer(seen):
        assert seen.headers["authorization"] == f"Bearer {bearer}"
        return servers.Reply(body=json.dumps({"value": token}).encode())

    with servers.recorder(answer) as server:
        found = got(
            place(allow=[server.origin]),
            url=f"{server.origin}/token?api-version=2.0&audience=a",
            headers={"Authorization": f"Bearer {bearer}"},
            format={"type": "json", "subject_token_field_name": "value"},
        )
        assert found == token
        assert server.seen[0].target == "/token?api-version=2.0&audience=a"
        assert server.seen[0].method == "GET"


def test_a_private_or_plain_address_is_asked_only_where_the_user_allows_it() -> None:
    with servers.recorder() as server:
        with pytest.raises(errors.HostNotAllowed):
            got(url=f"{server.origin}/token")
        assert server.seen == []
    for url in ("http://169.254.169.254/token", "https://localhost/x", "https://127.0.0.1/"):
        with pytest.raises(errors.HostNotAllowed) as caught:
            got(url=url)
        origin = url.removesuffix("/token").removesuffix("/x").removesuffix("/")
        assert caught.value.hint.endswith(f"ARCRUN_ALLOW_HOSTS={origin}")
    for url in ("https://a b.example/", "https://user@a.example/", "https:///x", "file:///x"):
        with pytest.raises(errors.AuthError):
            got(url=url)
    with pytest.raises(errors.AuthError):
        got(url="https://a.example/\ud800")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, errors.AuthError),
        (302, errors.AuthError),
        (429, errors.ProviderUnavailable),
        (503, errors.ProviderUnavailable),
    ],
)
def test_an_address_that_gives_no_token_is_told(status, error) -> None:
    with servers.recorder(lambda _: servers.Reply(status, {"location": "/b"})) as server:
        with pytest.raises(error, match=str(status)) as caught:
            got(place(allow=[server.origin]), url=f"{server.origin}/token")
        assert type(caught.value) is error
        assert len(server.seen) == 1


def test_headers_that_are_no_texts_are_refused() -> None:
    for headers in (["a"], {"a": 1}):
        with pytest.raises(errors.AuthError, match="headers"):
            got(url="https://a.example/", headers=headers)


# -- programs ------------------------------------------------------------------------------


def script(folder, code: str) -> str:
    """A command line that runs `code`."""
    path = folder / "given"
    path.mkdir(exist_ok=True)
    program = path / "my helper.py"
    program.write_text(code)
    return f"{sys.executable} '{program}' --flag"


def answer(**more) -> dict:
    return {"version": 1, "success": True, "token_type": JWT, **more}


def says(**more) -> str:
    return f"print({json.dumps(answer(**more))!r})"


def printed(tmp_path, code: str, **table) -> str:
    where = place(executables=True, prefix="POOL_")
    return got(where, executable={"command": script(tmp_path, code), **table})


def test_a_program_is_not_started_unless_the_user_allows_it(tmp_path) -> None:
    ran = tmp_path / "ran"
    command = script(tmp_path, f"open({str(ran)!r}, 'w')")
    with pytest.raises(errors.PolicyRefused) as caught:
        got(executable={"command": command})
    assert caught.value.rule == "allow_executables"
    assert "ARCRUN_ALLOW_EXECUTABLES=1" in caught.value.hint
    assert not ran.exists()


def test_a_program_prints_the_token_and_is_told_what_is_wanted(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ARCRUN_MASTER_KEY", "no program's business")
    token = canary.fresh()
    code = (
        "import json, os, sys\n"
        f"seen = open({str(tmp_path / 'given' / 'seen')!r}, 'w')\n"
        "json.dump([dict(os.environ), sys.argv[1:]], seen)\n"
        + says(id_token=token, expiration_time=NOW + 60)
    )
    doc = {
        **document(executable={"command": script(tmp_path, code), "timeout_millis": 30000}),
        "service_account_impersonation_url": "https://a.example/x/bot@b.example:get",
    }
    found = subject_token(doc, place(executables=True, prefix="POOL_"))
    assert found.reveal() == token
    environ, argv = json.loads((tmp_path / "given" / "seen").read_text())
    assert argv == ["--flag"]
    assert {name: v for name, v in environ.items() if name.startswith("POOL_")} == {
        "POOL_AUDIENCE": "//pool",
        "POOL_TOKEN_TYPE": JWT,
        "POOL_IMPERSONATED_EMAIL": "bot@b.example",
        "POOL_INTERACTIVE": "0",
        "POOL_REVOKE": "0",
    }
    assert not [name for name in environ if name.startswith("ARCRUN_")]


def test_a_saml_assertion_is_taken_too(tmp_path) -> None:
    kind = "urn:ietf:params:oauth:token-type:saml2"
    token = canary.fresh()
    assert printed(tmp_path, says(token_type=kind, saml_response=token)) == token


@pytest.mark.parametrize(
    ("code", "error", "match"),
    [
        (
            says(success=False, code="E7", message="no session"),
            errors.TokenRefused,
            "E7 .no session",
        ),
        (says(success=False), errors.TokenRefused, "no code"),
        (says(version=2, id_token="t"), errors.AuthError, "version"),
        (says(version="1", id_token="t"), errors.AuthError, "version"),
        (says(id_token="t", expiration_time=NOW - 1), errors.ProviderUnavailable, "ended"),
        (says(id_token="t", expiration_time="x"), errors.ProviderUnavailable, "ended"),
        (says(), errors.AuthError, "no token of a kind"),
        (says(token_type="other", id_token="t"), errors.AuthError, "no token of a kind"),
        ("print('hello')", errors.ProviderUnavailable, "no JSON object"),
        ("import sys; sys.exit(3)", errors.ProviderUnavailable, "status 3"),
    ],
)
def test_what_a_program_does_instead_is_told(tmp_path, code, error, match) -> None:
    with pytest.raises(error, match=match) as caught:
        printed(tmp_path, code)
    assert type(caught.value) is error


def test_a_program_that_is_none_is_told() -> None:
    where = place(executables=True)
    for command, match in (
        ("'", "no program"),
        ("  ", "no program"),
        ("/no/such", "started"),
        ("a\0b", "started"),
        ("\ud800", "started"),
    ):
        with pytest.raises(errors.AuthError, match=match):
            got(where, executable={"command": command})


def test_what_cannot_be_told_to_a_program_is_told_to_the_user(tmp_path) -> None:
    doc = document(executable={"command": script(tmp_path, says(id_token="t"))})
    with pytest.raises(errors.AuthError, match="started"):
        subject_token({**doc, "audience": "a\0b"}, place(executables=True))


@pytest.mark.parametrize(
    "limit", [4999, 120_001, pytest.param(10**400, id="huge"), "5000", True, 5000.5]
)
def test_a_program_gets_from_five_seconds_to_two_minutes(tmp_path, limit) -> None:
    with pytest.raises(errors.AuthError, match="5 to 120 seconds"):
        printed(tmp_path, says(id_token="t"), timeout_millis=limit)


class TestKeptAnswers:
    """A program may leave its answer in a file, for the next time."""

    @pytest.fixture
    def kept(self, tmp_path):
        (tmp_path / "given").mkdir()
        return tmp_path / "given" / "answer.json"

    def test_one_that_holds_saves_the_program(self, tmp_path, kept) -> None:
        kept.write_text(json.dumps(answer(id_token="kept", expiration_time=NOW + 60)))
        assert printed(tmp_path, says(id_token="new"), output_file=str(kept)) == "kept"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            json.dumps(answer(id_token="kept")),
            json.dumps(answer(id_token="kept", expiration_time=NOW - 1)),
            json.dumps(answer(id_token="kept", expiration_time=NOW + 9, success=False)),
        ],
    )
    def test_one_that_does_not_is_passed_over(self, tmp_path, kept, text) -> None:
        kept.write_text(text)
        assert printed(tmp_path, says(id_token="new"), output_file=str(kept)) == "new"

    def test_a_program_may_write_there_instead_of_printing(self, tmp_path, kept) -> None:
        code = f"open({str(kept)!r}, 'w').write({json.dumps(answer(id_token='there'))!r})"
        assert printed(tmp_path, code, output_file=str(kept)) == "there"


# -- programs, whatever they do --------------------------------------------------------------


def run(tmp_path, code: str, seconds: float = 30.0) -> bytes:
    import shlex

    argv = shlex.split(script(tmp_path, code))
    return programs.output_of(argv, environ=dict(os.environ), seconds=seconds)


@pytest.fixture
def pids(tmp_path, monkeypatch) -> Path:
    """Where a program leaves a text, by `leaves`. A mock: its time begins when it has done that,
    for nobody knows how long a busy machine takes to start it."""
    real, path = subprocess.Popen, tmp_path / "given" / "pids"

    def started(*words, **options):
        process = real(*words, **options)
        until(path.exists)
        return process

    monkeypatch.setattr(programs.subprocess, "Popen", started)
    return path


def leaves(path: Path, text: str = "''") -> str:
    """A line of Python that leaves a text there, whole or not at all."""
    new = f"{path}.new"
    return f"open({new!r}, 'w').write({text}); os.rename({new!r}, {str(path)!r})\n"


def test_a_program_that_does_not_end_is_ended_with_all_that_it_started(tmp_path, pids) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        + leaves(pids, "f'{os.getpid()} {child.pid}'")
        + "time.sleep(600)\n"
    )
    with pytest.raises(programs.Failed, match="in time"):
        run(tmp_path, code, seconds=0.1)
    # Killed at once, but it takes a system some time.
    until(lambda: all(gone(int(pid)) for pid in pids.read_text().split()))


def gone(pid: int) -> bool:
    """Whether it has ended; a child of ours whose parent is dead may linger as a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_a_program_that_leaves_another_one_at_its_pipe_is_not_waited_for(tmp_path, pids) -> None:
    code = (
        "import os, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    ) + leaves(pids)
    with pytest.raises(programs.Failed, match="in time"):
        run(tmp_path, code, seconds=0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs sessions of processes")
def test_a_program_that_leaves_a_daemon_at_its_pipe_is_not_waited_for(tmp_path, pids) -> None:
    code = (
        "import os, subprocess, sys\n"
        "daemon = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True)\n"
    ) + leaves(pids, "str(daemon.pid)")
    told: queue.SimpleQueue = queue.SimpleQueue()

    def work() -> None:
        try:
            run(tmp_path, code, seconds=0.1)
        except programs.Failed as error:
            told.put(str(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        assert "in time" in told.get(timeout=HANG)
    finally:
        os.kill(int(pids.read_text()), signal.SIGKILL)  # it is in a session of its own
        thread.join(HANG)


def test_a_program_that_closes_its_output_and_goes_on_is_ended(tmp_path, pids) -> None:
    code = f"import os, time; os.close(1)\n{leaves(pids)}time.sleep(600)"
    with pytest.raises(programs.Failed, match="in time"):
        run(tmp_path, code, seconds=0.1)


def test_an_endless_output_is_cut_off(tmp_path) -> None:
    with pytest.raises(programs.Failed, match="more than 1 MB"):
        run(tmp_path, "while True: print('x' * 65536)")


def test_what_a_program_says_to_its_user_is_no_output(tmp_path) -> None:
    assert run(tmp_path, "import sys; print('e', file=sys.stderr); print(input, end='')") != b""
    assert run(tmp_path, "import sys; sys.stderr.write('x'); sys.stdout.write('y')") == b"y"


# -- whatever a document says ----------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
SOURCES = st.dictionaries(
    st.sampled_from(["file", "format", "executable", "certificate", "headers", "environment_id"]),
    JSON,
)


@settings(deadline=None)
@given(SOURCES | JSON)
def test_any_document_gives_a_token_or_an_error_of_ours(source) -> None:
    with pytest.raises(errors.AuthError):  # no file of a single letter is there
        subject_token({"credential_source": source}, place())


@settings(deadline=None)
@given(JSON | st.text("https:/[].@", max_size=12))
@example("https://[")
def test_an_account_is_found_in_any_document(url) -> None:
    assert isinstance(account_in({"service_account_impersonation_url": url}), str)


def test_a_small_file_that_is_not_there_is_none(tmp_path) -> None:
    assert read_small(str(tmp_path / "nothing")) is None
