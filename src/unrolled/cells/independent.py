"""Vanilla networks with another recurrent matrix: the identity at first, or a diagonal. Knows the equations only."""

from unrolled.equations import cell
from unrolled.equations.ops import affine, bias, linear, relu, weight


@cell
def irnn(x, h):
    """ReLU network whose recurrent matrix starts as the identity (Le, Jaitly & Hinton 2015)."""
    h = relu(linear(x, init=("normal", 0.001)) + linear(h, init="identity") + bias(init=0))
    return h


@cell
def ind_rnn(x, h):
    """Independently recurrent network: each unit sees itself alone (Li et al. 2018)."""
    h = relu(affine(x) + weight(init=("uniform", 0.0, 1.0)) * h)
    return h
