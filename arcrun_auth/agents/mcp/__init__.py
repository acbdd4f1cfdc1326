"""`arcrun mcp`: tools for AI agents, over the Model Context Protocol on stdin and stdout.

An agent gets answers through its human's connections, and no tool returns a secret. `server`
speaks the protocol by its official SDK and loads nothing else of ours; the rest comes with the
first tool: `tools` is the table, `calls` and `connect` are what they do, `elicitation` is how a
person is asked in either era of the protocol, `texts` what an agent reads when something fails.
"""
