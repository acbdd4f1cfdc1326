"""A document about an API is got from where somebody said, and from nowhere else."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import retrieval
from arcrun_auth.errors import AuthError, HostNotAllowed, ProviderUnavailable, RecipeError
from arcrun_auth.testing import Provider, Quirks
from tests import canary
from tests.servers import Reply, recorder

OPENAPI = {"openapi": "3.0.0", "info": {"title": "Shop"}}


def reply(data, status=200, **headers):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Reply(status, headers, body)


@pytest.fixture
def server():
    with recorder() as running:
        yield running


def got(server, path="/openapi.json"):
    return retrieval.document(f"{server.origin}{path}", [server.origin])


def test_a_file_is_read_and_has_no_address(tmp_path):
    file = tmp_path / "shop.yaml"
    file.write_text("swagger: '2.0'")
    assert retrieval.document(str(file)) == ({"swagger": "2.0"}, "")


def test_a_file_that_is_not_there_or_is_something_else(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        retrieval.document(str(tmp_path / "gone"))
    other = tmp_path / "recipe.yaml"
    other.write_text("service: shop")
    with pytest.raises(RecipeError, match="neither an OpenAPI document nor an issuer"):
        retrieval.document(str(other))


def test_an_address_is_asked_once_and_nothing_that_the_document_refers_to(server):
    told = {**OPENAPI, "components": {"$ref": f"{server.origin}/more.json"}}
    server.answer = lambda _: reply(told)
    assert got(server) == (told, f"{server.origin}/openapi.json")
    assert [seen.target for seen in server.seen] == ["/openapi.json"]
    assert "authorization" not in server.seen[0].headers


@pytest.mark.parametrize("place", ["", "/.well-known/openid-configuration"])
def test_an_issuer_is_asked_for_its_metadata(place):
    with Provider() as provider:
        found, at = retrieval.document(f"{provider.issuer}{place}", [provider.issuer])
    assert found["issuer"] == provider.issuer
    assert "/.well-known/" in at


def test_the_metadata_of_another_issuer_are_refused():
    with (
        Provider(quirks=Quirks(wrong_issuer=True)) as provider,
        pytest.raises(RecipeError, match="lie elsewhere"),
    ):
        retrieval.document(provider.issuer, [provider.issuer])


def test_a_page_for_people_is_no_document_and_the_places_below_it_are_asked(server):
    server.answer = lambda _: reply(b"<html>Welcome</html>")
    with pytest.raises(RecipeError, match="neither an OpenAPI document nor an issuer"):
        got(server, "/a")
    assert [seen.target for seen in server.seen] == [
        "/a", "/.well-known/oauth-authorization-server/a", "/a/.well-known/openid-configuration",
        "/.well-known/openid-configuration/a",
    ]  # fmt: skip


def test_what_is_wrong_with_a_document_is_told_and_nothing_else_is_asked(server):
    server.answer = lambda _: reply(b"openapi: 3.0.0\nopenapi: 3.0.0")
    with pytest.raises(RecipeError, match="twice") as caught:
        got(server)
    assert caught.value.line == 2
    assert len(server.seen) == 1


def test_a_redirect_is_told_and_not_followed(server):
    server.answer = lambda _: reply(b"", 302, location="https://elsewhere.example/x")
    with pytest.raises(RecipeError, match="was not followed") as caught:
        got(server, "/x?y")
    assert caught.value.hint == "if you trust it: --from https://elsewhere.example/x"
    assert len(server.seen) == 1


def test_a_status_is_told(server):
    server.answer = lambda _: reply(b"no", 404)
    with pytest.raises(RecipeError, match="answered with 404"):
        got(server)
    server.answer = lambda _: reply(b"no", 503)
    with pytest.raises(ProviderUnavailable, match="503"):
        got(server)


def test_more_than_a_megabyte_is_downloaded_by_other_means(server):
    server.answer = lambda _: reply(b" " * (1 << 20) + b"{}")
    with pytest.raises(ProviderUnavailable, match="more than 1 MB") as caught:
        got(server)
    assert "give the file" in caught.value.hint


@pytest.mark.parametrize("url", ["http://api.example.com/x", "https://127.0.0.1/x"])
def test_what_is_not_public_https_is_not_asked(url):
    with pytest.raises(HostNotAllowed, match="Nothing was sent") as caught:
        retrieval.document(url)
    assert "ARCRUN_ALLOW_HOSTS" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    ["https://user:word@api.example.com/x", "file:///etc/passwd", "https://", "https://[::1",
     "https://a.example.com:x/"],
)  # fmt: skip
def test_what_is_no_address_is_not_asked_nor_repeated(url):
    with pytest.raises(RecipeError, match="is no address of the form") as caught:
        retrieval.document(url)
    assert "word" not in str(caught.value)


def test_a_secret_in_an_address_is_repeated_in_no_error(server):
    word = canary.fresh()
    at = f"{server.origin}/openapi.json?token={word}"
    metadata = {"issuer": "https://id.example.com", "token_endpoint": "https://id.example.com/t"}
    there = f"https://me:{word}@elsewhere.example/x?token={word}#{word}"
    for answer, said in (
        (reply(b"no", 404), "answered with 404"),
        (reply(b"no", 503), "HTTP 503"),
        (reply(b"", 302, location=there), "--from https://elsewhere.example/x?…"),
        (reply({}), "neither an OpenAPI document"),
        (reply(b"openapi: 3.0.0\nopenapi: 3.0.0"), "twice"),
        (reply(metadata), "lie elsewhere"),
    ):
        server.answer = lambda _, answer=answer: answer
        with pytest.raises(AuthError) as caught:
            retrieval.document(at, [server.origin])
        told = f"{caught.value} {vars(caught.value)}"
        assert said in told
        assert word not in told
        assert f"{server.origin.partition('//')[2]}/openapi.json" in told
