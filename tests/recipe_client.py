"""A client that knows a provider by its recipe alone: plain requests, no code of the library
but the paths into answers. What it can do, the recipe has told it.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from arcrun_auth import recipe as recipes
from arcrun_auth.answers import pick
from tests.provider_calls import VERIFIER, authorization_url, http_call

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
FORM = "application/x-www-form-urlencoded"


class Refused(Exception):
    """The provider said no: its error code, None where it gave none that the recipe finds."""


class RecipeClient:
    def __init__(self, provider, *, client="demo", secret="", text="", **recipe) -> None:
        self.provider = provider
        self.text = text or provider.recipe_yaml(**recipe)
        self.recipe = recipes.read(self.text)
        self.oauth2 = self.recipe.oauth2
        self.client, self.secret = client, secret
        self.params: dict[str, str] = {}
        self.answer: object = None

    # -- grants --------------------------------------------------------------------------

    def log_in(self, **more) -> None:
        oauth2 = self.oauth2
        query = {"scope": None, "code_challenge": None, "code_challenge_method": None}
        if oauth2.pkce != "no":
            del query["code_challenge"], query["code_challenge_method"]
        query |= oauth2.authorize_params
        query |= {oauth2.scope_param: oauth2.scope_separator.join(oauth2.scopes)}
        query |= {"resource": oauth2.resource} if oauth2.resource else {}
        query |= {"redirect_uri": self.redirect_uri, "client_id": self.client, **more}
        url = urlsplit(authorization_url(self.provider, **query))
        named = self.named(dict(parse_qsl(url.query)))
        location = self.provider.redirected(f"{oauth2.authorization_endpoint}?{urlencode(named)}")
        self.returned = dict(parse_qsl(urlsplit(location).query))
        if "error" in self.returned:
            raise Refused(self.returned["error"])
        code = self.returned[oauth2.callback.code]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        if oauth2.token_request.send_state:
            form["state"] = self.returned["state"]
        form |= {"code_verifier": VERIFIER} if oauth2.pkce != "no" else {}
        self.ask(form)
        if (swap := self.oauth2.swap) is not None:
            fields = {name: self.rendered(text) for name, text in swap.params.items()}
            self.send(swap.method, swap.url, swap.body, *self.authenticated(fields))
        self.find_params()

    @property
    def redirect_uri(self) -> str:
        redirect = self.oauth2.redirect
        scheme = "https" if redirect.policy == "https_only" else "http"
        port = f":{redirect.ports[0]}" if redirect.ports else ""
        return f"{scheme}://{redirect.host}{port}{redirect.path}"

    def renew(self) -> None:
        refresh = self.oauth2.refresh
        if refresh.mode == "yes":
            form = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
            self.ask(form, url=refresh.url)
        else:
            assert refresh.mode == "exchange"
            form = {k: self.rendered(v) for k, v in refresh.params.items()}
            form = self.authenticated(form)[0] if refresh.client else form
            self.send(refresh.method, refresh.url, refresh.body, form)

    def ask(self, form, *, url="") -> None:
        """A token request, as the recipe wants it."""
        request = self.oauth2.token_request
        form = {**form, **({"resource": self.oauth2.resource} if self.oauth2.resource else {})}
        form, headers = self.authenticated(form)
        self.send(request.method, url or self.oauth2.token_endpoint, request.body, form, headers)

    def authenticated(self, form):
        if self.oauth2.client.auth == "basic":
            pair = f"{quote_plus(self.client)}:{quote_plus(self.secret)}"
            return form, {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        form = {**form, "client_id": self.client}
        if self.oauth2.client.auth == "post":
            form["client_secret"] = self.secret
        return form, {}

    # -- requests and answers ------------------------------------------------------------

    def named(self, fields):
        return {self.oauth2.param_names.get(name, name): v for name, v in fields.items()}

    def call(self, method, url, body, fields, headers=None):
        fields, target = self.named(fields), urlsplit(url)
        path = target.path
        data, kind = None, {}
        if body == "query":
            path += f"?{urlencode(fields)}"
        elif body == "json":
            data, kind = json.dumps(fields), {"Content-Type": "application/json"}
        else:
            data, kind = urlencode(fields), {"Content-Type": FORM}
        host = {"Host": target.netloc}
        return http_call(self.provider, method, path, data, {**host, **kind, **(headers or {})})

    def send(self, method, url, body, fields, headers=None) -> None:
        status, got, raw = self.call(method, url, body, fields, headers)
        form = got["Content-Type"] == FORM
        self.read(status, dict(parse_qsl(raw.decode())) if form else json.loads(raw))

    def read(self, status, answer) -> None:
        paths = self.oauth2.token_response
        failed = paths.ok is not None and pick(answer, paths.ok.path) != paths.ok.equals
        if status // 100 != 2 or failed:
            raise Refused(pick(answer, paths.error))
        root = pick(answer, paths.root) if paths.root else answer
        self.answer = answer
        self.token = pick(root, paths.access_token)
        self.refresh_token = pick(root, paths.refresh_token) or getattr(self, "refresh_token", None)
        self.scopes = self.listed(pick(root, paths.scope))
        self.lifetime = self.ending(root, paths)

    def listed(self, given):
        names = given.split(self.oauth2.scope_separator) if isinstance(given, str) else given
        known = {alias: name for name, alias in self.oauth2.scope_aliases.items()}
        always = [name for name, alias in self.oauth2.scope_aliases.items() if not alias]
        return sorted({known.get(name, name) for name in names or [] if name} | set(always))

    def ending(self, root, paths):
        """Seconds until the token ends, near enough."""
        unit = 1000 if paths.expires_unit == "ms" else 1
        now = self.provider.authority.clock()
        if paths.expires_at:
            given = pick(root, paths.expires_at)
            if isinstance(given, str) and not given.isdecimal():
                return datetime.fromisoformat(given).timestamp() - now
            return float(given) / unit - now
        given = pick(root, paths.expires_in)
        return paths.default_expires_in if given is None else float(given) / unit

    # -- the API -------------------------------------------------------------------------

    def rendered(self, text):
        known = {f"param.{name}": value for name, value in self.params.items()}
        known |= {"token.access_token": getattr(self, "token", ""), "client.id": self.client}
        return re.sub(r"\{\{([^}]*)\}\}", lambda found: known[found[1]], text)

    def find_params(self) -> None:
        kept = {name: pick(self.answer, path)
                for name, path in self.oauth2.token_response.keep.items()}  # fmt: skip
        typed = self.provider.api_host.partition(":")[0]
        user = {name: typed for name, p in self.recipe.params.items() if p.source == "user"}
        self.params |= user
        for found in self.recipe.discover:
            listed = json.loads(self.get(self.rendered(found.url))[1])
            for name, path in found.save.items():
                self.params[name] = pick(listed[0], path)
        for name, param in self.recipe.params.items():
            told = {"callback": self.returned, "token": kept, "discover": self.params, "user": user}
            self.params[name] = param.check(name, told[param.source][param.key or name])

    def get(self, url, **headers):
        target = urlsplit(url)
        headers |= {"Host": target.netloc, "Authorization": f"Bearer {self.token}"}
        status, _, body = http_call(self.provider, "GET", target.path, headers=headers)
        return status, body

    def me(self) -> str:
        headers = {n: self.rendered(text) for n, text in self.recipe.inject.header.items()}
        url = self.rendered(self.recipe.base_url) + self.recipe.test.path
        status, body = self.get(url, **headers)
        if status != 200:
            raise Refused(json.loads(body)["error"])
        return json.loads(body)["sub"]

    def revoke(self) -> None:
        how, url = self.oauth2.revoke, self.rendered(self.oauth2.revocation_endpoint)
        token = self.token if how.which == "access" else self.refresh_token or self.token
        form, headers = ({how.param: token} if how.param else {}), {}
        if how.auth == "client":
            form, headers = self.authenticated(form)
        elif how.auth == "basic":
            pair = f"{quote_plus(self.client)}:{quote_plus(self.secret)}".encode()
            headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        elif how.auth == "bearer":
            headers = {"Authorization": f"Bearer {self.token}"}
        status, _, body = self.call(how.method, url, how.body, form, headers)
        assert status in (200, 204), body
