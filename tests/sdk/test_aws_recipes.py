"""The AWS recipes against botocore's own models: what they sign for, and where each region is."""

from __future__ import annotations

import botocore.session
import pytest

from arcrun_auth.catalog import Catalog
from arcrun_auth.consent import hosts, servers

SERVICES = {
    "aws": "sts", "aws_s3": "s3", "aws_dynamodb": "dynamodb", "aws_sqs": "sqs", "aws_sns": "sns",
    "aws_lambda": "lambda", "aws_secretsmanager": "secretsmanager",
    "aws_bedrock_runtime": "bedrock-runtime", "aws_ses": "ses",
}  # fmt: skip
"""What botocore calls each of them."""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return Catalog(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def known():
    session = botocore.session.get_session()
    regions = [
        (region, partition["outputs"]["dnsSuffix"])
        for partition in session.get_data("partitions")["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    ]
    return session, regions


@pytest.mark.parametrize("service", SERVICES)
def test_it_signs_for_what_botocore_signs_for(shipped, known, service) -> None:
    session, _ = known
    model = session.get_service_model(SERVICES[service])
    recipe = shipped.recipe(service)
    assert recipe.account == "aws"
    assert [way.aws.service for way in recipe.ways] == [model.signing_name] * 2
    assert recipe.base_url.startswith(f"https://{model.endpoint_prefix}.")


@pytest.mark.parametrize("service", SERVICES)
def test_every_region_of_every_partition_has_its_host(shipped, known, service) -> None:
    session, regions = known
    prefix = session.get_service_model(SERVICES[service]).endpoint_prefix
    assert len(regions) > 30
    for region, suffix in regions:
        params = {"region": region, "domain": suffix}
        key, role = shipped.recipe(service).ways
        assert hosts(key, params)[0] == f"{prefix}.{region}.{suffix}"
        role_arn = {"role_arn": "arn:aws:iam::123456789012:role/r"}
        assert servers(role, params | role_arn) == (f"sts.{region}.{suffix}",)
    for region in ("evil.com", "us-east-1.evil", "us-east-1/", "", "US-EAST-1"):
        with pytest.raises(ValueError, match="region"):
            hosts(shipped.recipe(service), {"region": region})
    with pytest.raises(ValueError, match="domain"):
        hosts(shipped.recipe(service), {"domain": "evil.com"})
