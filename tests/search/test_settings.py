import dataclasses

import pytest

from smuzero.search.settings import SearchSettings


def test_defaults_are_those_of_the_paper():
    settings = SearchSettings()
    assert (settings.num_samples, settings.num_simulations) == (20, 50)
    assert (settings.c1, settings.c2, settings.temperature) == (1.25, 19652.0, 1.0)
    assert settings.evaluate_root and settings.root_lookahead == 1
    assert (settings.prior, settings.proposal, settings.mixed_fraction) == ("sampled", "policy", 0.0)
    assert not (settings.correct_backup or settings.is_widening or settings.two_player)
    assert settings.draws_weigh_alike


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_samples": 0},
        {"num_simulations": -1},
        {"temperature": 0.0},
        {"c1": -1.0},
        {"c2": 0.0},
        {"noise_fraction": 1.5},
        {"noise_fraction": -0.1},
        {"noise_concentration": 0.0},
        {"min_value_range": 0.0},
        {"temperature": float("nan")},
        {"mixed_fraction": 1.5},
        {"mixed_temperature": 0.0},
        {"widening_start": -1},
        {"widening_exponent": 2.0},
    ],
)
def test_a_wrong_setting_is_named_with_what_was_given(wrong):
    ((name, given),) = wrong.items()
    with pytest.raises(ValueError, match=rf"{name} is {given!r}"):
        SearchSettings(**wrong)


@pytest.mark.parametrize("name", ["prior", "proposal", "unvisited"])
def test_an_unknown_choice_is_named_with_those_there_are(name):
    settings = SearchSettings()
    # Not given to the constructor, where the tests' own type checks would be first.
    object.__setattr__(settings, name, "other")
    with pytest.raises(ValueError, match=rf"{name} is 'other', but must be one of {getattr(SearchSettings(), name)}, "):
        settings.__post_init__()


@pytest.mark.parametrize("other", ["enumerate_actions", "correct_backup"])
def test_widening_names_the_setting_it_does_not_go_with(other):
    with pytest.raises(ValueError, match=rf"widening_start is 2 and {other} is on"):
        dataclasses.replace(SearchSettings(widening_start=2), **{other: True})


@pytest.mark.parametrize(
    "changed",
    [{"temperature": 2.0}, {"proposal": "uniform"}, {"mixed_fraction": 0.5}, {"prior": "policy"}],
)
def test_the_prior_is_the_frequency_of_draws_only_where_the_policy_cancels(changed):
    assert not SearchSettings(**changed).draws_weigh_alike
    assert SearchSettings(mixed_fraction=0.5, mixed_temperature=1.0).draws_weigh_alike


def test_widening_from_as_many_draws_as_there_are_is_none():
    assert not SearchSettings(num_samples=5, widening_start=5).is_widening
    assert SearchSettings(num_samples=5, widening_start=4).is_widening


def test_noise_of_whole_actions_leaves_the_rest_of_them_without_noise_in_any_dimension():
    settings = SearchSettings(noise_fraction=0.25, noise_scope="action")
    assert [(1 - settings.noise_in_each(dims)) ** dims for dims in (1, 6, 21)] == pytest.approx([0.75] * 3)
    assert SearchSettings(noise_fraction=0.25).noise_in_each(6) == 0.25
