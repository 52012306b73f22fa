"""What several requests are made of."""

from typing import Annotated

from pydantic import Field

from bot.web.api.route import Given

SALES = ("sales", "operations", "manager")
"""Who sells and who looks after what was sold."""
Words = Annotated[str, Field(max_length=2000)]
NeededWords = Annotated[str, Field(min_length=1, max_length=2000)]
Amount = Annotated[
    str, Field(pattern=r"^\d{1,12}(\.\d{1,2})?$", description="A decimal, like 1450.00", examples=["1450.00"])
]
Price = Annotated[
    str,
    Field(pattern=r"^-?\d{1,9}(\.\d{1,2})?$", description="A decimal; below zero: a discount", examples=["1450.00"]),
]
Month = Annotated[str, Field(pattern=r"^(\d{4}-(0[1-9]|1[0-2]))?$", description="YYYY-MM, or empty when not known")]
People = Annotated[int, Field(ge=1, le=1000)]


class Reason(Given):
    """Why."""

    reason: Words = ""
