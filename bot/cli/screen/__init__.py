"""`bot simulate` on a whole terminal: a phone on the left, what goes on behind it on the right.

Everything here shows; what happens is the business of `bot/cli/session.py`. Needs the extra `simulator` (textual), so
nothing outside of this package imports it before it is wanted.
"""
