"""The peer of row 15: what one would write with FastAPI. Its annotations are read at run time."""

from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

from bench.serving_desk import Refused, Rows

Key = Annotated[str, Header()]
"""The header X-Arcrun-API-Key."""


class NewRow(BaseModel):
    """A row as it comes."""

    name: str
    encrypted: str
    iv: str


def make(rows: Rows) -> FastAPI:
    """The application."""
    app = FastAPI()

    @app.post("/credentials")
    async def put(row: NewRow, x_arcrun_api_key: Key) -> dict[str, Any]:
        try:
            return rows.put(x_arcrun_api_key, row.name, row.encrypted, row.iv)
        except Refused:
            raise HTTPException(401) from None

    @app.get("/credentials/{name}")
    async def get(name: str, x_arcrun_api_key: Key) -> dict[str, Any]:
        try:
            found = rows.get(x_arcrun_api_key, name)
        except Refused:
            raise HTTPException(401) from None
        if found is None:
            raise HTTPException(404)
        return found

    return app
