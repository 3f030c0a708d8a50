"""What a run was made from, written down and read back."""

import json

import gymnasium
import numpy as np
import pytest

from smuzero.actions.spaces import from_gymnasium
from smuzero.experiments import recipe
from smuzero.experiments.config import Config
from smuzero.experiments.recipe import Recipe
from smuzero.runtime.durable import DamagedFile


@pytest.mark.parametrize(
    "space",
    [
        gymnasium.spaces.Discrete(3, start=-1),
        gymnasium.spaces.Box(np.array([-2, 0], np.float32), np.array([2, 1], np.float32)),
    ],
)
def test_recipe_survives_json(space):
    made = Recipe(None, "Mine", 3, "quick", Config(), (4,), from_gymnasium(space))
    assert recipe.from_json(json.loads(json.dumps(made.to_json())), "config.json") == made


@pytest.mark.parametrize("value", [{}, {"format": 1}, {"format": 1, "settings": {"search": {}}}])
def test_other_json_is_refused_with_its_file(value):
    with pytest.raises(DamagedFile, match=r"runs/x/config\.json"):
        recipe.from_json(value, "runs/x/config.json")
