"""The rest of the shelf once more, in NumPy and by hand. The parameters are taken in the order of the equation."""

from __future__ import annotations

import numpy as np

from tests.cells.naive import layer_norm, relu, sigmoid, softplus


def taking(equation):
    """A naive cell that is handed its parameters one by one, by `take()`."""

    def naive(p, x, *states):
        parameters = iter(p.values())
        answer = equation(lambda: next(parameters), x, *states)
        assert next(parameters, None) is None, "every parameter has its place"
        return answer if isinstance(answer, tuple) else (answer,)

    return naive


def product(take, a):
    return a @ take().T


def affine(take, a):
    """W a + b."""
    return product(take, a) + take()


def shared(take, a, b):
    """W a + b + U b: one bias."""
    first = product(take, a)
    bias = take()
    return first + bias + product(take, b)


def both(take, a, b):
    """W a + b + U h + b."""
    return affine(take, a) + affine(take, b)


def vanilla(input_gate=True, forget_gate=True, output_gate=True, g=np.tanh, out=np.tanh, peepholes=True, coupled=False):
    def equation(take, x, h, c):
        def gate(cell):
            total = shared(take, x, h)
            return sigmoid(total + take() * cell if peepholes else total)

        z = g(shared(take, x, h))
        i = gate(c) if input_gate else 1.0
        f = 1 - i if coupled else gate(c) if forget_gate else 1.0
        new = z * i + c * f
        o = gate(new) if output_gate else 1.0
        return out(new) * o, new

    return taking(equation)


def identity(a):
    return a


@taking
def fgr(take, x, h, c, i, f, o):
    def gate(cell):
        total = shared(take, x, h) + product(take, i) + product(take, f) + product(take, o)
        return sigmoid(total + take() * cell)

    z = np.tanh(shared(take, x, h))
    new_i, new_f = gate(c), gate(c)
    new = z * new_i + c * new_f
    new_o = gate(new)
    return np.tanh(new) * new_o, new, new_i, new_f, new_o


@taking
def mut1(take, x, h):
    z = sigmoid(affine(take, x))
    r = sigmoid(shared(take, x, h))
    candidate = product(take, r * h) + np.tanh(product(take, x)) + take()
    return np.tanh(candidate) * z + h * (1 - z)


@taking
def mut2(take, x, h):
    z = sigmoid(shared(take, x, h))
    r = sigmoid(product(take, x) + affine(take, h))
    return np.tanh(shared(take, r * h, x)) * z + h * (1 - z)


@taking
def mut3(take, x, h):
    z = sigmoid(shared(take, x, np.tanh(h)))
    r = sigmoid(shared(take, x, h))
    return np.tanh(shared(take, r * h, x)) * z + h * (1 - z)


def normed(take, a):
    value = product(take, a)
    return layer_norm(value, take(), take())


@taking
def layer_norm_lstm(take, x, h, c):
    i, f, g, o = np.split(normed(take, x) + normed(take, h) + take(), 4, axis=1)
    new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(layer_norm(new, take(), take())), new


@taking
def layer_norm_gru(take, x, h):
    z, r = np.split(sigmoid(normed(take, x) + normed(take, h)), 2, axis=1)
    candidate = np.tanh(normed(take, x) + r * normed(take, h))
    return (1 - z) * h + z * candidate


@taking
def irnn(take, x, h):
    return relu(product(take, x) + product(take, h) + take())


@taking
def ind_rnn(take, x, h):
    return relu(affine(take, x) + take() * h)


def positive(a):
    return np.where(a >= 0, a + 0.5, sigmoid(a))


def min_gru(g=identity):
    def equation(take, x, h):
        z = sigmoid(affine(take, x))
        return (1 - z) * h + z * g(affine(take, x))

    return taking(equation)


def min_lstm(g=identity):
    def equation(take, x, h):
        f, i = sigmoid(affine(take, x)), sigmoid(affine(take, x))
        return (f * h + i * g(affine(take, x))) / (f + i)

    return taking(equation)


@taking
def sru(take, x, c):
    u, f, r, past = np.split(product(take, x), 4, axis=1)
    f = sigmoid(f + take() * c + take())
    r = sigmoid(r + take() * c + take())
    new = f * c + (1 - f) * u
    return r * new + (1 - r) * past, new


@taking
def lru(take, x, a, b):
    value = np.exp(-np.exp(take()) + 1j * np.exp(take()))
    gamma = np.sqrt(1 - np.abs(value) ** 2)
    state = value * (a + 1j * b) + gamma * (product(take, x) + 1j * product(take, x))
    y = product(take, state.real) - product(take, state.imag) + take() * x
    return y, state.real, state.imag


@taking
def rg_lru(take, x, h):
    r, i = sigmoid(affine(take, x)), sigmoid(affine(take, x))
    a = np.exp(-8 * softplus(take()) * r)
    return a * h + np.sqrt(1 - a**2) * (i * product(take, x))


@taking
def slstm(take, x, h, c, n, m):
    z, i, f, o = np.split(shared(take, x, h), 4, axis=1)
    log_f = np.log(sigmoid(f))
    new_m = np.maximum(log_f + m, i)
    new_c = np.exp(log_f + m - new_m) * c + np.exp(i - new_m) * np.tanh(z)
    new_n = np.exp(log_f + m - new_m) * n + np.exp(i - new_m)
    return sigmoid(o) * new_c / new_n, new_c, new_n, new_m
