import math
from types import SimpleNamespace

import pytest

from smuzero.types import UserError, check_at_least


def test_numbers_that_are_large_enough_or_not_given_pass():
    check_at_least(SimpleNamespace(a=1, b=0.5, c=None), a=1, b=0.25, c=1)


@pytest.mark.parametrize("value", [0, 0.9, -math.inf, math.nan])
def test_a_number_that_is_too_small_is_named_with_what_is_allowed(value):
    with pytest.raises(ValueError, match=f"b is {value}, but must be at least 1"):
        check_at_least(SimpleNamespace(a=1, b=value), a=1, b=1)


def test_the_kind_of_error_can_be_chosen():
    with pytest.raises(UserError, match="games is 0"):
        check_at_least(SimpleNamespace(games=0), UserError, games=1)
