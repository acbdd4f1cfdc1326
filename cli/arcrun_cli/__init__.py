"""The `arcrun` command."""
