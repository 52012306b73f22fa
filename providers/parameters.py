"""Texts that fill the variables of message templates."""

import re

_LINE_BREAKS = re.compile(r"[ \t\n\r\v\f\x85\u2028\u2029]*[\t\n\r\v\f\x85\u2028\u2029][ \t\n\r\v\f\x85\u2028\u2029]*")
_WIDE_GAPS = re.compile(" {5,}")


def parameter_text(text: str) -> str:
    """Make a text fit for a template parameter: no line break, no tab, at most four spaces in a row.

    WhatsApp refuses the whole message otherwise (Meta's code 132018); an address with line breaks is the usual case.
    """
    return _WIDE_GAPS.sub("    ", _LINE_BREAKS.sub(" ", text)).strip()
