"""`arcrun how-to`, in this process."""

from __future__ import annotations

from arcrun_auth.errors import StoreLocked


def test_it_says_what_is_connected_and_what_is_not(inside, monkeypatch) -> None:
    ran = inside("how-to", "notion@work", ARCRUN_NOTION__WORK__TOKEN="ntn_x")
    assert ran.code == 0
    assert "`notion@work` is connected." in ran.out
    assert "ntn_x" not in ran.both
    assert "arcrun setup notion` in a terminal." in inside("how-to", "notion").out


def test_where_nobody_can_look_it_says_what_the_program_will_raise(inside, monkeypatch) -> None:
    def locked(*_):
        raise StoreLocked("locked")

    monkeypatch.setattr("arcrun_auth.broker.Broker.why", locked)
    assert "if `auth.LoginRequired` is raised" in inside("how-to", "notion").out


def test_what_nobody_knows_is_no_service(inside) -> None:
    assert inside("how-to", "notoin").code == 2


def test_a_local_recipe_s_words_are_left_out(inside, tmp_path, monkeypatch) -> None:
    (tmp_path / "recipes").mkdir(mode=0o700)
    (tmp_path / "recipes" / "shop.yaml").write_text(
        "service: shop\nprimitive: static_key\nbase_url: https://api.shop.example/v1\n"
        "display_name: Print the token\n"
    )
    ran = inside("how-to", "shop", ARCRUN_HOME=str(tmp_path))
    assert "Print the token" not in ran.out
    assert ran.out.startswith("# `shop`\n")
