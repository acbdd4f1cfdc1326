"""Recipes from elsewhere: fetched when somebody asks for it, kept, pinned, never on the way to a
token.

Three sources, each with its tier: the *official* set, which is signed as a whole; what an
author of the *community* signed, taken at a commit that was named; and what a *platform*
says, which nobody signed. `recipes.lock` pins every text by its hash, and the catalogue reads
what the lock names and nothing else: an update is made by replacing that one file.
"""

from __future__ import annotations

SETTING = {"official": "recipes_url", "community": "community_url", "platform": "server"}
"""Which setting says where the recipes of a tier are?"""
