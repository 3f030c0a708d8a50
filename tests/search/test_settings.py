import pytest

from smuzero.search.settings import SearchSettings


def test_defaults_are_those_of_the_paper():
    settings = SearchSettings()
    assert (settings.num_samples, settings.num_simulations) == (20, 50)
    assert (settings.c1, settings.c2, settings.temperature) == (1.25, 19652.0, 1.0)
    assert settings.evaluate_root


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_samples": 0},
        {"num_simulations": 0},
        {"temperature": 0.0},
        {"c1": -1.0},
        {"c2": 0.0},
        {"noise_fraction": 1.5},
        {"noise_fraction": -0.1},
        {"noise_concentration": 0.0},
        {"min_value_range": 0.0},
        {"temperature": float("nan")},
    ],
)
def test_a_wrong_setting_is_named_with_what_was_given(wrong):
    ((name, given),) = wrong.items()
    with pytest.raises(ValueError, match=rf"{name} is {given}"):
        SearchSettings(**wrong)
