"""What a run was made from, written down and read back."""

import json

import gymnasium
import numpy as np
import pytest

from smuzero.actions.spaces import from_gymnasium
from smuzero.experiments import recipe
from smuzero.experiments.config import ActingSettings, Config
from smuzero.experiments.recipe import Recipe
from smuzero.runtime.durable import DamagedFile


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Discrete(3, start=-1),
        gymnasium.spaces.Box(np.array([-2, 0], np.float32), np.array([2, 1], np.float32)),
        gymnasium.spaces.Box(-2, 200, (2, 2), np.int16),
        gymnasium.spaces.MultiBinary((2, 3)),
        gymnasium.spaces.Dict(
            move=gymnasium.spaces.MultiDiscrete(np.array([[2, 3]]), start=np.array([[1, 0]])),
            inner=gymnasium.spaces.Tuple([gymnasium.spaces.Box(0, 3, (1,), np.int8), gymnasium.spaces.Box(0, 1, ())]),
        ),
    ],
)
@pytest.mark.parametrize("head", ["categorical", "gaussian"])
def test_recipe_survives_json(space, head):
    config = Config(ActingSettings(head=head, structure="autoregressive"))
    made = Recipe(None, "Mine", 3, "quick", config, (4,), from_gymnasium(space, head=head))
    assert recipe.from_json(json.loads(json.dumps(made.to_json())), "config.json") == made


def test_a_space_of_an_earlier_version_is_read():
    """As recorded in results/ before spaces could be continuous or nested."""
    recorded = {"low": [-2.0], "high": [2.0], "shape": [1], "dtype": "float32", "bins": 7, "kind": "BinnedBox"}
    made = Recipe(None, "Mine", 3, "quick", Config(), (4,), from_gymnasium(gymnasium.spaces.Box(-2, 2, (1,))))
    assert recipe.from_json(made.to_json() | {"action_space": recorded}, "config.json") == made


@pytest.mark.parametrize("value", [{}, {"format": 1}, {"format": 1, "settings": {"search": {}}}])
def test_other_json_is_refused_with_its_file(value):
    with pytest.raises(DamagedFile, match=r"runs/x/config\.json"):
        recipe.from_json(value, "runs/x/config.json")
