"""The rules of sync: what is written, signed and sealed, and what is believed. Pure, no I/O."""
