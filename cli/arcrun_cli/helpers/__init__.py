"""Credential helpers: the protocols by which git, docker and AWS ask for credentials."""
