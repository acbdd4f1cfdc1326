"""What AI agents use: guarded requests by MCP and through a local proxy, and a page for their
human. They get answers, and never a secret.
"""
