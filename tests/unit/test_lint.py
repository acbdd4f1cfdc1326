"""The linter: for each rule one file that breaks it, and a neighbour that does not."""

# ruff: noqa: E501 - the rows of a table stay rows
from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from arcrun_auth import settings
from arcrun_auth.lint import Finding, errors, lint, names, rules
from arcrun_auth.lint.names import alike
from arcrun_auth.recipe import read
from tests.unit.lint_cases import CASES, KEY, OAUTH, swap

RECIPES = Path(__file__).parents[2] / "recipes"


def found(*texts, tier="bundled", known=(), names=None):
    names = names or [text.partition("service: ")[2].partition("\n")[0] for text in texts]
    files = {
        f"{n}.yaml" if i == 0 else f"{n}.{i}.yaml": t
        for i, (n, t) in enumerate(zip(names, texts, strict=True))
    }
    return lint(files, tier=tier, known=known)


def test_two_plain_recipes_have_nothing_to_complain_about():
    assert found(KEY, OAUTH) == []


def test_every_shipped_recipe_is_free_of_errors():
    texts = {path.name: path.read_bytes() for path in sorted(RECIPES.glob("*.yaml"))}
    assert errors(lint(texts)) == []


@pytest.mark.parametrize(("rule", "severity", "line", "broken", "fine"), CASES)
def test_each_rule(rule, severity, line, broken, fine):
    hits = [finding for finding in found(broken) if finding.rule == rule]
    assert hits, found(broken)
    assert hits[0].line == line
    for hit in hits:
        assert hit.severity == severity
        assert hit.path.endswith(".yaml")
        assert hit.message.endswith((".", ")"))
        assert hit.mend.endswith(
            (".", "name", "none", "no or maybe}", "age_s: [590000, 700000]")
        ), hit
    assert [finding for finding in found(fine) if finding.rule == rule] == []


MISFIT = """\
service: shop
primitive: static_key
base_url: https://api.shop.example/v1
nope: 1
display_name: [Shop]
verified: {date: 2026-01-01, method: doc, sources: [1, https://docs.shop.example], by: me}
required_secrets:
  - {key: shop_key, optional: perhaps}
  - {label: Key}
  - {key: 7}
params: {shop: {enum: us}}
methods: [{primitive: static_key, inject: {heder: {}}}]
inject: {header: {Authorization: "Bearer {{secret.shop_key}}"}}
"""


def test_every_field_that_does_not_fit_is_told_at_once():
    shown = [(f.line, f.field, f.message) for f in found(MISFIT) if f.rule == "format"]
    assert shown == [
        (4, "nope", "There is no such field."),
        (5, "display_name", "Expected `str`, got `array`."),
        (6, "verified.by", "There is no such field."),
        (8, "required_secrets[0].optional", "Expected `bool`, got `str`."),
        (9, "required_secrets[1]", "The field 'key' is missing."),
        (11, "params", "Expected `array`, got `str`."),
        (12, "methods[0].inject.heder", "There is no such field."),
    ]
    assert "Did you mean header?" in next(f.mend for f in found(MISFIT) if f.line == 12)


def test_a_field_that_was_left_out_to_look_further_is_not_called_missing():
    broken = swap(MISFIT, "service: shop", "service: {a: b}")
    broken = swap(broken, "primitive: static_key", "primitive: []")
    fields = {f.field for f in found(broken, names=["shop"])}
    assert {"service", "primitive", "nope"} <= fields
    assert "" not in fields


@trials(max_examples=150)
@given(st.data())
def test_of_whatever_a_recipe_is_made_something_is_said_and_nothing_twice(data):
    lines = MISFIT.splitlines(keepends=True)
    kept = data.draw(st.lists(st.sampled_from(lines), unique=True))
    shown = [(f.line, f.field, f.message) for f in found("".join(kept), names=["shop"])]
    assert shown
    assert len(shown) == len(set(shown))


ELSEWHERE = {
    "sdk-tier", "machine-tier", "host-other", "host-twice", "link-other", "extends-hosts",
    "name-confusable", "name-twice", "env-shared", "file-name",
}  # fmt: skip
"""Rules that need more than one bundled file: they have tests of their own below."""


def test_every_rule_has_its_case():
    folder = Path(rules.__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    said = {name for text in sources for name in re.findall(r'finding\(\s*"([a-z-]+)"', text)}
    assert said == {rule for rule, *_ in CASES} - {"yaml", "format"} | ELSEWHERE


# What a recipe must not do or had better not, and the rules that see to it. `yaml` and `format` are
# what the reader and the model refuse: tests/unit/test_reader.py, test_recipe.py, tests/hostile.
PROMISES = {
    "UTF-8, 64 KB, depth 20, no key twice, no anchors, aliases, merge keys or tags": {"yaml"},
    "unknown fields, ids of services, known primitives": {"format", "primitive"},
    "https, no user, fragment, backslash or control character": {"url-https", "format"},
    "no address in numbers, no private host, ASCII alone": {"url-public", "format"},
    "no public suffix": {"host-suffix"},
    "params that cannot end a host": {"host-param"},
    "the login and the API on one registered domain, or looked at": {"host-other", "extends-hosts"},
    "the credential reaches what the recipe calls": {"host-allowed", "base-url"},
    "links to public pages, the vendor's own": {"link", "link-other"},
    "declared names only, no secret in a host": {"format", "braces"},
    "secrets in a query or path are told": {"secret-in-url", "secret-unused"},
    "names and values of headers": {"format", "header-twice", "header-value", "header-secret"},
    "PKCE on, code alone, no password and no implicit grant": {"oauth-pkce", "oauth-grant", "format"},
    "the least scopes": {"scope-wide", "scope-order", "oauth-scopes"},
    "offline access is made use of": {"oauth-offline"},
    "no literal client secret": {"oauth-secret", "format"},
    "rotation is stated, revocation too": {"oauth-rotates", "oauth-revoke"},
    "endpoints that come into play": {"oauth-endpoint", "oauth-unused"},
    "nothing secret is kept as a plain value": {"oauth-keep"},
    "extends: three deep, no cycle, and no wider hosts": {"format", "extends-hosts"},
    "texts without controls, marks of order, look-alikes or links": {
        "text-control", "text-alphabets", "text-link",
    },
    "texts of at most 300 characters, and no orders to agents": {"format", "text-orders"},
    "no key in the file": {"secret-literal"},
    "names that nobody takes for others": {
        "name-confusable", "name-twice", "name-reserved", "alias-name", "file-name",
    },
    "variables that belong to one service": {"env-collision", "env-shared", "host-twice"},
    "what only the wheel may say": {"sdk-tier", "machine-tier"},
    "rules for agents that can come true": {
        "agent-path", "agent-star", "agent-below", "agent-graphql", "agent-unused",
    },
    "patterns that end soon and fit their example": {"format", "pattern"},
    "diagnoses that can be reached": {"diagnose"},
    "what a user will miss": {"incomplete"},
}  # fmt: skip


def test_every_rule_is_documented():
    page = (RECIPES.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    table = page.split("## Linting")[1]
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`(?=[,| ])", table)) >= (
        {rule for rule, *_ in CASES} | ELSEWHERE
    )


def test_the_rules_are_those_that_keep_the_promises():
    kept = set().union(*PROMISES.values())
    assert kept == {rule for rule, *_ in CASES} | ELSEWHERE


def test_only_a_bundled_recipe_names_what_people_install():
    text = KEY + "sdk: {package: shop-sdk, import: shop, class: Shop}\n"
    assert [f.rule for f in found(text, tier="local")] == ["sdk-tier"]
    assert found(text) == found(KEY, tier="local") == []


def test_only_a_bundled_recipe_says_what_is_looked_up_on_a_machine():
    text = swap(KEY, "label: ", "ambient: true, files: [~/key], label: ")
    (hit,) = found(text, tier="local")
    assert (hit.rule, hit.field) == ("machine-tier", "required_secrets[0].ambient")
    assert "machine-tier" not in [f.rule for f in found(text)]


def test_a_finding_says_where():
    assert found(swap(KEY, "https://api", "http://api"))[0] == Finding(
        "shop.yaml", 6, "base_url", "url-https", "This is not https.",
        "Write https, or allow the origin yourself: allow_hosts.", "error",
    )  # fmt: skip


def test_a_method_is_looked_at_as_the_top_level_is():
    text = (
        KEY
        + "methods:\n  - id: b\n    primitive: static_key\n    base_url: http://b.shop.example\n"
    )
    hits = [f for f in found(text) if f.rule == "url-https"]
    assert [(f.line, f.field) for f in hits] == [(15, "methods[0].base_url")]


def test_a_local_recipe_may_be_private_with_a_warning():
    text = KEY.replace("https://api.shop.example", "http://10.0.0.1:8080")
    hits = found(text, tier="local")
    assert {(f.rule, f.severity) for f in hits} == {
        ("url-https", "warning"), ("url-public", "warning"),
    }  # fmt: skip


def test_a_local_recipe_may_wait_for_its_plug_in():
    (hit,) = found(swap(KEY, "static_key", "hawk"), tier="local")
    assert (hit.rule, hit.severity, hit.field) == ("primitive", "warning", "primitive")
    # What such a primitive does with a secret nobody knows here.
    (hit,) = found(swap(KEY, "static_key", "hawk").replace("{{secret.", "{{param."), tier="local")
    assert hit.rule == "format"


def test_a_local_recipe_that_logs_in_elsewhere_is_worth_a_look():
    text = OAUTH.replace("id.mail.example", "id.other.test")
    hits = [f for f in found(text, tier="local") if f.rule == "host-other"]
    names = ("token", "authorization", "revocation")
    assert {f.field for f in hits} == {f"oauth2.{name}_endpoint" for name in names}
    assert not found(OAUTH, tier="local")
    assert not [f for f in found(text) if f.rule == "host-other"]


def test_a_closed_service_need_not_be_complete():
    assert found("service: gone\nprimitive: static_key\nstatus: closed\n") == []


# -- between recipes -------------------------------------------------------------------


def rules_of(findings):
    return [finding.rule for finding in findings]


def test_every_setting_is_reserved():
    assert set(names.SETTINGS) == set(settings.KNOWN)


def test_one_service_one_file():
    assert "name-twice" in rules_of(found(KEY, KEY, names=["shop", "shop"]))
    assert "name-twice" in rules_of(found(KEY, OAUTH + "aliases: [shop]\n"))
    assert "name-twice" in rules_of(found(KEY + "aliases: [a]\n", OAUTH + "aliases: [a]\n"))
    assert found(KEY + "aliases: [a]\n", OAUTH + "aliases: [b]\n") == []


def test_the_file_has_the_services_name():
    assert rules_of(found(KEY, names=["other"])) == ["file-name"]
    assert found(KEY, names=["other"], tier="local") == []


def test_variables_that_meet_are_an_error():
    other = KEY.replace("service: shop", "service: shop_eu").replace("shop_key", "key")
    mine = KEY.replace("shop_key", "eu_key")
    hits = [f for f in found(mine, other) if f.rule == "env-collision"]
    assert ["ARCRUN_SHOP_EU_KEY" in f.message for f in hits] == [True]
    assert "env-collision" not in rules_of(found(KEY, other))


def test_a_vendors_variable_that_two_accounts_take_is_a_warning():
    mine = swap(KEY, "label: Key", "label: Key, env: [VENDOR_KEY]")
    other = mine.replace("service: shop", "service: store")
    assert [(f.rule, f.severity) for f in found(mine, other)] == [("env-shared", "warning")]
    assert found(mine + "account: one\n", other + "account: one\n") == []


def test_a_name_that_looks_like_a_known_one_is_a_warning():
    known = [read(KEY.replace("service: shop", "service: notion").replace("name: Shop", "name: N"))]
    for name in ("not1on", "noton", "notionn", "notino", "no_tion", "author/notlon"):
        text = KEY.replace("service: shop", f"service: {name}")
        assert "name-confusable" in rules_of(found(text, tier="local", known=known)), name
    for name in ("notion", "nation_wide", "action"):
        text = KEY.replace("service: shop", f"service: {name}")
        assert "name-confusable" not in rules_of(found(text, tier="local", known=known)), name


def test_so_is_an_alias_or_a_title_that_looks_like_one():
    known = [read(KEY.replace("service: shop", "service: notion").replace("Shop", "Notion"))]
    mine = swap(KEY, "service: shop", "service: other")

    def confusable(text):
        hits = found(text, tier="local", known=known)
        return [f.field for f in hits if f.rule == "name-confusable"]

    assert confusable(mine) == []
    assert confusable(mine + "aliases: [x, noti0n]\n") == ["aliases[1]"]
    for title in ("Notion", "NOTION", "N o t i o n", "\u039dotion", "Not\u0456\u043en"):
        assert confusable(swap(mine, "name: Shop", f"name: {title}")) == ["display_name"], title


def test_a_local_page_off_the_vendors_domain_is_worth_a_look():
    text = swap(KEY, "https://shop.example/keys", "https://docs.evil.test/keys")
    (hit,) = [f for f in found(text, tier="local") if f.rule == "link-other"]
    assert (hit.line, hit.field, hit.severity) == (8, "required_secrets[0].help_url", "warning")
    assert "link-other" not in [f.rule for f in found(text)]
    more = (
        KEY + "setup_url: https://evil.test\napp_guide: [{text: x, url: 'https://evil.test/#x'}]\n"
    )
    hits = [f for f in found(more, tier="local") if f.rule == "link-other"]
    assert [f.field for f in hits] == ["setup_url", "app_guide[0].url"]
    assert not [f for f in found(KEY, tier="local") if f.rule == "link-other"]


@pytest.mark.parametrize(("tier", "severity"), [("bundled", "warning"), ("local", "error")])
def test_who_extends_a_base_adds_no_host_of_another_owner(tier, severity):
    base = "service: _base\nprimitive: static_key\nallowed_hosts: [api.shop.example]\n"
    child = KEY + "extends: _base\nallowed_hosts: [api.shop.example, x.shop.example"

    def wider(host):
        texts = (f"{child}{host}]\n", base)
        hits = found(*texts, names=["shop", "_base"], tier=tier)
        return [(f.line, f.field, f.severity) for f in hits if f.rule == "extends-hosts"]

    assert wider("") == []
    assert wider(", evil.test") == [(13, "allowed_hosts[2]", severity)]
    other = swap(KEY, "api.shop.example", "api.evil.test") + "extends: _base\n"
    hits = found(other, base.replace("allowed_hosts: [api.shop.example]", "base_url: https://shop.example"),
                 names=["shop", "_base"], tier=tier)  # fmt: skip
    assert [f.line for f in hits if f.rule == "extends-hosts"] == [6]


def test_a_misspelled_field_is_told_with_the_one_that_was_meant():
    (hit,) = found(KEY + "displayname: x\n")
    assert (hit.line, hit.rule) == (12, "format")
    assert hit.mend.startswith("Did you mean display_name? ")
    (hit,) = found(KEY + "zzzz: x\n")
    assert hit.mend == "Correct the file: docs/recipes.md describes every field."


@given(st.from_regex(r"[a-z]{4,10}", fullmatch=True), st.data())
def test_one_edit_is_alike(name, data):
    index = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("abcxyz"))
    assert alike(name, name[:index] + letter + name[index:])
    assert alike(name, name[:index] + letter + name[index + 1 :])
    assert alike(name[:index] + letter + name[index:], name)


# -- bases -----------------------------------------------------------------------------


def test_what_counts_is_the_merged_result():
    base = "service: _base\nprimitive: static_key\nbase_url: http://api.base.example\n"
    child = "service: child\nextends: _base\n"
    assert "url-https" in rules_of(found(child, base, names=["child", "_base"]))
    assert "format" in rules_of(found(child))


@given(st.text(max_size=100))
def test_no_text_makes_the_linter_fall_over(text):
    lint({"x.yaml": text})
    lint({"x.yaml": KEY.replace("Sells things.", repr(text))})
