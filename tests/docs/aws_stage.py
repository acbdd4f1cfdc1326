"""The stage of the page about AWS: moto answers, and looks at every signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tests.aws_desk import Moto
from tests.docs.stage import Stage
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.servers import Seen

HOSTS = [f"{name}.eu-central-1.amazonaws.com" for name in ("sts", "s3", "dynamodb", "backups.s3")]
KEPT = ("content-type", "etag")


class AwsStage(Stage):
    """A stage where AWS answers. The person has an access key, and a bucket `backups`."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, environ, api=self._from_moto, hosts=HOSTS)
        self.answered: list[str] = []

    def __enter__(self) -> Self:
        self._moto = self._stack.enter_context(Moto())
        self._moto.put("/backups")
        super().__enter__()
        self.typed = {
            "Access key ID": self._moto.keys.access_key_id,
            "Secret access key": self._moto.keys.secret_access_key,
            "(optional, empty to leave out)": "",
        }
        self.environ["AWS_CA_BUNDLE"] = self.environ["SSL_CERT_FILE"]
        return self

    def _knows(self, authorization: str) -> bool:
        return authorization.startswith("AWS4-HMAC-SHA256 ")

    def _from_moto(self, seen: Seen) -> Reply:
        answer = self._moto.client.request(
            seen.method, self._moto.origin + seen.target, headers=seen.headers, content=seen.body
        )
        self.answered.append(seen.target)
        if answer.status_code in (401, 403):
            self.refused.append(f"{seen.headers['host']}{seen.target}")
        kept = {name: answer.headers[name] for name in KEPT if name in answer.headers}
        return Reply(answer.status_code, kept, answer.content)
