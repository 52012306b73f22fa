"""The tree of errors in the docstring is the tree of errors in the code."""

import re

from bot.core import errors


def test_the_docstring_draws_the_tree() -> None:
    drawn = re.findall(r"^[ │├└─]*([A-Z]\w+)", (errors.__doc__ or "").split("SirdarError", 1)[1], re.MULTILINE)
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.SirdarError) and value is not errors.SirdarError
    }
    assert sorted(drawn) == sorted(defined)
