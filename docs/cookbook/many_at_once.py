"""Three services at once: one token each is renewed once, however many tasks ask for it."""

import asyncio

from arcrun import auth


async def count(service, method, url, key):
    async with auth.bind_async(service) as client:
        answer = await client.request(method, url, json={} if method == "POST" else None)
        return service, len(answer.raise_for_status().json()[key])


async def main():
    for service, number in await asyncio.gather(
        count("google_drive", "GET", "/files", "files"),
        count("notion", "POST", "/search", "results"),
        count("openai", "GET", "/models", "data"),
    ):
        print(service, number)


asyncio.run(main())
