"""`arcrun ui`: one page of this machine that shows what is connected, and who uses it.

`data` is what is shown, as plain values, `rows` what is connected of it. `view` makes HTML of
them (with `aside`, `controls`, `words`), `style` is how that looks, and `cards` are the small
pages beside it. `actions` is what the buttons do, `server` puts it all behind a `Site`. No value
of a secret ever comes near: the broker is spoken to by verbs that give none away.
"""
