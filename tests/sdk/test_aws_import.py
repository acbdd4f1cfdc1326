"""`arcrun import aws` against a server that checks each signature."""

from __future__ import annotations

import pytest

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.importers import Services, Where, find
from arcrun_auth.importers.taking import Taking
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Key
from tests import aws_desk
from tests.world import Told


@pytest.fixture(scope="module")
def moto():
    with aws_desk.Moto() as server:
        yield server


@pytest.fixture
def broker(tmp_path, moto):
    return Broker(
        home=str(tmp_path / "home"),
        recipes=aws_desk.catalog(tmp_path, moto.origin),
        allow_hosts=[moto.origin],
        store=Memory(),
        person=Told(),
    )


def found_in(folder, broker, *profiles: tuple[str, str, str]):
    """What is found where the AWS tools have these keys."""
    home = folder / "given"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
            for name, key_id, secret in profiles
        )
    )
    services = Services(broker.recipes)
    return Taking(broker, services), find(Where({}, str(home), str(home)), services, ["aws"])


def test_the_key_of_a_profile_signs_for_every_service(tmp_path, broker, moto) -> None:
    taking, (found,) = found_in(tmp_path, broker, ("work", *moto.keys))
    assert taking.take(taking.plan(found)).status == 200
    moto.put("/imported")
    with broker.bind("aws_s3", "work", interactive=False) as s3:
        assert s3.get("/imported", params={"list-type": "2"}).status_code == 200
    assert taking.plan(found).held


def test_a_secret_that_does_not_fit_is_not_kept(tmp_path, broker, moto) -> None:
    wrong = moto.keys.secret_access_key[:-1] + "_"
    taking, (found,) = found_in(tmp_path, broker, ("default", moto.keys.access_key_id, wrong))
    with pytest.raises(errors.TokenRefused, match="does not belong to this access key ID"):
        taking.take(taking.plan(found))
    assert broker.store.get(Key("credential", "aws")) is None
