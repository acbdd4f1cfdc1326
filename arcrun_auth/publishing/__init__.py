"""The signing side of the official recipes: what a maintainer runs, and nothing else imports.

A repository of The Update Framework (https://theupdateframework.github.io/specification/)
in one flat folder, so that a release page, raw files at a commit, or any mirror can serve it:

    N.root.json  N.targets.json  N.snapshot.json  timestamp.json  HASH.recipes.json

One target, the whole set, signed by the top-level role: a delegation would be a further file
and no further person. Two of three root keys say who signs; the key `release` signs targets
and snapshot, the key `timestamp`, which may lie on a server, says once a week that there is
nothing newer. The folder may lie where others can write: what is believed of it is what the
root that is kept with the keys vouches for (`trust`).
"""
