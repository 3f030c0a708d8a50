"""Settings by dotted names, and their way into config.json and back."""

import json

import pytest

from smuzero.experiments import config
from smuzero.experiments.config import Config, InvalidSetting


def test_settings_change_by_dotted_names():
    new = config.changed(Config(), {"search.num_samples": 5, "network.value_range": [-3, 4]})
    assert new.search.num_samples == 5
    assert new.network.value_range == (-3.0, 4.0)
    assert config.differences(Config(), new) == {
        "search.num_samples": (20, 5),
        "network.value_range": ((-150.0, 150.0), (-3.0, 4.0)),
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("search.num_sample", 5, r"no setting 'search.num_sample'.*search.num_samples"),
        ("nonsense", 5, "Sections are acting, network"),
        ("search.num_samples", "five", "search.num_samples is 'five', but must be a whole number"),
        ("search.num_samples", 2.5, "must be a whole number"),
        ("search.num_samples", True, "must be a whole number"),
        ("search.num_samples", 0, "search.num_samples is 0"),
        ("search.num_simulations", 0, "search.num_simulations is 0"),
        ("network.value_range", (1.0,), r"must be \(a number, a number\)"),
        ("network.latent", "tanh", "must be 'minmax' or 'layernorm'"),
        ("learner.max_grad_norm", "big", "must be a number or None"),
        ("network.value_transform", 1, "must be true or false"),
    ],
)
def test_wrong_settings_are_refused_by_name(name, value, message):
    with pytest.raises(InvalidSetting, match=message):
        config.changed(Config(), {name: value})


def test_values_cannot_be_corrected_along_more_steps_than_a_window_has():
    changes = {"reanalyse.corrects_values": True, "reanalyse.lookahead": 3, "learner.n_step": 3}
    assert config.changed(Config(), changes).reanalyse.lookahead == 3
    with pytest.raises(InvalidSetting, match=r"lookahead is 4, .* which are 3: make learner.n_step larger"):
        config.changed(Config(), changes | {"reanalyse.lookahead": 4})


def test_targets_made_from_visits_need_simulations():
    with pytest.raises(InvalidSetting, match="operator 'visits' is made from visits"):
        config.changed(Config(), {"reanalyse.num_simulations": 0})
    new = config.changed(Config(), {"reanalyse.num_simulations": 0, "improvement.operator": "mpo"})
    assert new.reanalyse.num_simulations == 0


def test_optional_settings_take_none_and_a_number():
    assert config.changed(Config(), {"learner.max_grad_norm": 10}).learner.max_grad_norm == 10.0
    assert config.changed(Config(), {"learner.max_grad_norm": None}).learner.max_grad_norm is None


def test_config_survives_json():
    new = config.changed(Config(), {"run.frames": 7, "network.reward_range": (0.0, 1.0)})
    assert config.from_json(json.loads(json.dumps(config.to_json(new)))) == new


def test_section_that_is_no_object_is_refused():
    with pytest.raises(InvalidSetting, match="Section 'search'"):
        config.from_json({"search": 5})
