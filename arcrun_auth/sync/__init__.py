"""Several homes with one content: what no server can read, kept the same on all of them."""
