"""Every cell once more, in NumPy and by hand: what the equations of the papers say, one step at a time.

Each takes the parameters by name, the input `[B, D]` and the states `[B, width]` of one step, and returns the
new states in their order; the first is the output.
"""

from __future__ import annotations

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def relu(a):
    return np.maximum(a, 0)


def rnn(p, x, h, squash=np.tanh):
    return (squash(x @ p["weight_h_x"].T + p["bias_h_x"] + h @ p["weight_h_h"].T + p["bias_h_h"]),)


def rnn_relu(p, x, h):
    return rnn(p, x, h, relu)


def rnn_shared(p, x, h):
    return (np.tanh(x @ p["weight_h_x"].T + h @ p["weight_h_h"].T + p["bias_h"]),)


def lstm(p, x, h, c, squash=np.tanh):
    a = x @ p["weight_i_x"].T + p["bias_i_x"] + h @ p["weight_i_h"].T + p["bias_i_h"]
    n = a.shape[1] // 4
    i, f, o = (sigmoid(a[:, k * n : (k + 1) * n]) for k in range(3))
    g = squash(a[:, 3 * n :])
    new_c = f * c + i * g
    return o * squash(new_c), new_c


def lstm_relu(p, x, h, c):
    return lstm(p, x, h, c, relu)


def lstm_shared(p, x, h, c):
    zeros = np.zeros_like(p["bias_i"])
    return lstm({**p, "bias_i_x": p["bias_i"], "bias_i_h": zeros}, x, h, c)


def lstm_projected(p, x, h, c):
    wide, new_c = lstm(p, x, h, c)
    return wide @ p["weight_h"].T, new_c


def gru(p, x, h, squash=np.tanh):
    a = x @ p["weight_r_x"].T + p["bias_r_x"]
    b = h @ p["weight_r_h"].T + p["bias_r_h"]
    n = h.shape[1]
    r = sigmoid(a[:, :n] + b[:, :n])
    z = sigmoid(a[:, n : 2 * n] + b[:, n : 2 * n])
    candidate = squash(a[:, 2 * n :] + r * b[:, 2 * n :])
    return ((1 - z) * candidate + z * h,)


def gru_relu(p, x, h):
    return gru(p, x, h, relu)


def gru_v3(p, x, h, squash=np.tanh):
    a = x @ p["weight_r_x"].T + p["bias_r_x"] + h @ p["weight_r_h"].T + p["bias_r_h"]
    n = h.shape[1]
    r, z = sigmoid(a[:, :n]), sigmoid(a[:, n:])
    candidate = squash(x @ p["weight_n_x"].T + p["bias_n_x"] + (r * h) @ p["weight_n_1"].T + p["bias_n_1"])
    return (z * h + (1 - z) * candidate,)


def gru_v3_relu(p, x, h):
    return gru_v3(p, x, h, relu)


def softplus(a):
    return np.log1p(np.exp(-np.abs(a))) + np.maximum(a, 0)


def layer_norm(a, gain, bias):
    centred = a - a.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain + bias


def peephole_lstm(p, x, h, c):
    a = x @ p["weight_i_x"].T + p["bias_i_x"] + h @ p["weight_i_h"].T + p["bias_i_h"]
    i, f, g, o = np.split(a, 4, axis=1)
    new_c = sigmoid(f + p["weight_f"] * c) * c + sigmoid(i + p["weight_i"] * c) * np.tanh(g)
    return sigmoid(o + p["weight_o"] * new_c) * np.tanh(new_c), new_c


def with_read_out(p, x, h):
    new_h = np.tanh(x @ p["weight_h_x"].T + p["bias_h_x"] + h @ p["weight_h_h"].T + p["bias_h_h"])
    return new_h @ p["weight_y"].T, new_h


def words(p, x, wide, h):
    first = x @ p["weight_first"].T
    gate = np.where(first > h, sigmoid(first), 0.25 * h)
    below = gate @ p["weight_wide_gate"].T + h @ p["weight_wide_h"].T + p["bias_wide"]
    new = np.maximum(-wide, np.tanh(wide) ** 2) / (2 + softplus(below))
    a, b = np.split(new, 2, axis=1)
    return new, np.abs(a - b) - gate


def noisy(p, x, h, c):
    dropped_x, dropped_h = np.where(p["noise_0"] > 0, x / 0.7, 0), np.where(p["noise_1"] > 0, h / 0.8, 0)
    a = dropped_x @ p["weight_i_0"].T + p["bias_i_0"] + dropped_h @ p["weight_i_1"].T + p["bias_i_1"]
    i, f, o, g = np.split(a, 4, axis=1)
    g = np.where(p["noise_2"] > 0, np.tanh(g) / 0.75, 0)
    new_c = np.where(p["noise_3"] > 0, c, sigmoid(f) * c + sigmoid(i) * g)
    return np.where(p["noise_4"] > 0, h, sigmoid(o) * np.tanh(new_c)), new_c


def lstm_with_noise(p, x, h, c):
    """Krueger et al. 2017, equations 5 and 6, where x and h are dropped with rates 0.2 and 0.3 before the product."""
    dropped_x, dropped_h = np.where(p["noise_0"] > 0, x / 0.8, 0), np.where(p["noise_1"] > 0, h / 0.7, 0)
    a = dropped_x @ p["weight_i_x"].T + p["bias_i_x"] + dropped_h @ p["weight_i_h"].T + p["bias_i_h"]
    i, f, o, g = np.split(a, 4, axis=1)
    new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    new_h = sigmoid(o) * np.tanh(new_c)
    return np.where(p["noise_2"] > 0, h, new_h), np.where(p["noise_3"] > 0, c, new_c)
