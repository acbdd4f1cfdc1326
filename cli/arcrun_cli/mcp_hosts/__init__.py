"""The programs that start `arcrun mcp`, and how it stands in their configuration."""
