"""A run that is cut and resumed, beside the same that was never stopped."""

import torch

from unrolled import load, resume, train
from unrolled.training import Stepped


def resumed_as_never_cut(config, place, at):
    """The weights, after it is checked that a run which is stopped after `at` steps comes to the same, bit for bit."""
    whole = load(train(config, place / "whole")).model.state_dict()
    events = []
    stop = lambda: any(isinstance(one, Stepped) and one.step == at for one in events)
    path = train(config, place / "cut", listen=events.append, should_stop=stop)
    assert load(path).step == at
    resumed = load(resume(path)).model.state_dict()
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
    return whole
