"""`arcrun ui`: one page of this machine that shows what is connected, and who uses it.

`data` is what is shown, as plain values; `view` makes HTML of it, `style` is how that looks.
`actions` is what the buttons do, `server` puts it all behind a `Site`. No value of a secret ever
comes near it: it speaks to the broker by verbs that give none away.
"""
