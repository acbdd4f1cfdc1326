"""The recipe's field `sdk`: names only, since it ends in code that people run."""

from __future__ import annotations

import ast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arcrun_auth as auth
from arcrun_auth.catalog import Catalog
from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import model, read, sdk
from arcrun_auth.snippets import ANYWHERE, Snippet


def bundled():
    catalog = Catalog("nowhere")
    try:
        return [catalog.recipe(name) for name in catalog.names()]
    finally:
        catalog.close()


BUNDLED = bundled()
NAMED = [recipe for recipe in BUNDLED if recipe.sdk is not None]

RECIPE = """\
service: shop
primitive: static_key
base_url: https://api.shop.example/v1
required_secrets: [{key: shop_key}]
inject: {header: {Authorization: "Bearer {{secret.shop_key}}"}}
sdk: {package: shop-sdk, import: shop.client, class: Shop, argument: key, call: me().name}
"""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("package", "shop; rm -rf /"), ("package", "-r evil.txt"), ("package", "shop==1"),
        ("package", "git+https://evil.example/x"), ("package", "a" * 65), ("package", "shop-"),
        ("import", "os;import sys"), ("import", "shop."), ("import", "shop import x"),
        ("import", "_shop"), ("import", "shop.class"), ("class", "Shop()"), ("class", "None"),
        ("class", "Shop\\nprint"), ("class", ""), ("argument", "key=1,x"), ("argument", "lambda"),
        ("adapter", "bind)(x"), ("adapter", "__import__"), ("adapter", "await"), ("adapter", ""),
        ("call", "me(1)"), ("call", "__class__"), ("call", "me.__init__()"), ("call", "me()()"),
        ("call", "me; x"), ("call", "me\\n"), ("call", "import()"), ("call", "м"),
    ],
)  # fmt: skip
def test_what_is_no_plain_name_is_refused(field, value) -> None:
    was = {
        "package": "shop-sdk", "import": "shop.client", "class": "Shop", "argument": "key",
        "call": "me().name",
    }  # fmt: skip
    fields = was | {field: value.replace("\\n", "\n")}
    text = RECIPE.partition("sdk: ")[0] + f"sdk: {msgspec.json.encode(fields).decode()}\n"
    with pytest.raises(RecipeError) as caught:
        read(text)
    assert (caught.value.field or "").startswith("sdk")


def test_a_recipe_that_names_its_sdk_is_read() -> None:
    found = read(RECIPE).sdk
    assert found is not None
    assert (found.package, found.module, found.function) == ("shop-sdk", "shop.client", "Shop")
    assert found.names == ("shop-sdk", "shop")
    assert sdk.Sdk(package="shop").names == ("shop",)


def values(annotation) -> st.SearchStrategy[str]:
    """What the model lets through."""
    pattern = msgspec.inspect.type_info(annotation).pattern.removesuffix(r"(?!\n)")
    return st.from_regex(pattern, fullmatch=True, alphabet=st.characters(codec="ascii"))


FIELDS = st.fixed_dictionaries(
    {
        "package": values(sdk.Package),
        "import": values(sdk.Module),
        "class": values(sdk.Identifier),
        "call": values(sdk.Call),
        "argument": values(sdk.Identifier),
        "adapter": values(sdk.Identifier),
        "arguments": st.lists(values(model.Name), max_size=2),
    }
)


@settings(deadline=None)
@given(FIELDS)
def test_what_the_model_lets_through_prints_a_program_that_only_calls_what_it_names(fields) -> None:
    try:
        named = msgspec.convert(fields, sdk.Sdk)
    except msgspec.ValidationError:
        return  # a keyword, or an import without a class
    recipe = model.Recipe(service="shop", primitive="static_key", sdk=named)
    tree = ast.parse(Snippet(recipe, "work").with_sdk(named.package))
    kinds = {type(node).__name__ for node in tree.body}
    assert kinds <= {"ImportFrom", "Assign", "Expr"}
    assert len(tree.body) <= 4


@pytest.mark.parametrize("recipe", NAMED, ids=lambda recipe: recipe.service)
def test_the_adapter_of_a_bundled_recipe_is_one_that_the_library_has(recipe) -> None:
    assert recipe.sdk.adapter in auth.__all__
    assert callable(getattr(auth, recipe.sdk.adapter))


def test_some_bundled_recipes_name_their_sdk() -> None:
    assert len(NAMED) >= 8


@pytest.mark.parametrize("recipe", BUNDLED, ids=lambda recipe: recipe.service)
def test_every_program_compiles_and_no_line_is_long(recipe) -> None:
    snippet = Snippet(recipe, "work")
    assert set(ANYWHERE) <= set(snippet.names)
    programs = [snippet.with_sdk(name) for name in snippet.names]
    programs += [snippet.client(asynchronous=True), snippet.client(asynchronous=False)]
    for text in programs:
        compile(text, recipe.service, "exec")
        assert '"work"' in text
        assert "{{" not in text
        assert [line for line in text.splitlines() if len(line) > 130] == []


def test_of_somebody_else_s_recipe_no_sdk_is_offered() -> None:
    recipe = read(RECIPE)
    assert list(Snippet(recipe).names) == ["shop-sdk", "shop", *ANYWHERE]
    assert list(Snippet(recipe, trusted=False).names) == list(ANYWHERE)
