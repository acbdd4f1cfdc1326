"""What a project holds for the coding agents that work on it: a block of rules, and a skill."""
