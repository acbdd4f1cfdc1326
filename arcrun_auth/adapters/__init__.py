"""One line for each SDK that people already use: `OpenAI(api_key=auth.token_provider("openai"))`.

An SDK is imported when its adapter is called, never before, and none is a dependency. All
adapters renew in one place: see `access`.
"""

from __future__ import annotations

HOMES = {
    "TokenProvider": "provider",
    "aiohttp_middleware": "aiohttp",
    "anthropic_credentials": "anthropic",
    "azure_credential": "azure",
    "azure_credential_async": "azure",
    "boto3_session": "boto3",
    "github_auth": "github",
    "google_credentials": "google",
    "google_credentials_async": "google",
    "hf_api": "huggingface",
    "httpx_auth": "httpx",
    "requests_auth": "requests",
    "slack_client": "slack",
    "slack_client_async": "slack",
    "token_provider": "provider",
}
"""Every name that `auth` has from here, and the module of this package that it lives in."""
