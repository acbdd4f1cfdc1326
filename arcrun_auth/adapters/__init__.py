"""A connection in the shape that an SDK wants its credentials in: one module for each.

No SDK is a dependency: each is imported when an adapter for it is asked for.
"""
