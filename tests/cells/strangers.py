"""Strangers: other people's recurrent networks, given the weights of ours. Each runs a whole sequence.

Each takes the parameters by name, x `[T, B, D]` and the states `[B, width]`, all float32 NumPy arrays, and
returns the output `[T, B, width]` and the last states.
"""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper


def _blocks(array, order):
    parts = np.split(array, len(order))
    return np.concatenate([parts[place] for place in order])


def torch_rnn(p, x, h, nonlinearity="tanh"):
    shared = p.get("bias_h", None)
    biases = [p["bias_h_x"], p["bias_h_h"]] if shared is None else [shared, np.zeros_like(shared)]
    layer = torch.nn.RNN(x.shape[2], h.shape[1], nonlinearity=nonlinearity)
    return _run_torch(layer, [p["weight_h_x"], p["weight_h_h"], *biases], x, h)


def torch_rnn_relu(p, x, h):
    return torch_rnn(p, x, h, "relu")


def torch_lstm(p, x, h, c):
    order = (0, 1, 3, 2)  # ours: i f o g; torch's: i f g o
    shared = p.get("bias_i", None)
    biases = [p["bias_i_x"], p["bias_i_h"]] if shared is None else [shared, np.zeros_like(shared)]
    arrays = [_blocks(a, order) for a in (p["weight_i_x"], p["weight_i_h"], *biases)]
    projection = [p["weight_h"]] if "weight_h" in p else []
    layer = torch.nn.LSTM(x.shape[2], c.shape[1], proj_size=h.shape[1] if projection else 0)
    return _run_torch(layer, [*arrays, *projection], x, h, c)


def torch_gru(p, x, h):
    arrays = [p[name] for name in ("weight_r_x", "weight_r_h", "bias_r_x", "bias_r_h")]
    return _run_torch(torch.nn.GRU(x.shape[2], h.shape[1]), arrays, x, h)


def _run_torch(layer, arrays, x, *states):
    for parameter, array in zip(layer.parameters(), arrays, strict=True):
        parameter.data = torch.from_numpy(array.copy())
    hx = tuple(torch.from_numpy(state[None].copy()) for state in states)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LSTM with projections")  # torch's, on its choice of a kernel
        output, final = layer(torch.from_numpy(x), hx if len(hx) > 1 else hx[0])
    final = final if isinstance(final, tuple) else (final,)
    return output.numpy(), *(one[0].numpy() for one in final)


def onnx_gru_v3(p, x, h, activation="Tanh"):
    """onnxruntime's GRU with linear_before_reset = 0: reset before the product. Its gates: z r h."""
    order = (1, 0)
    w = np.concatenate([_blocks(p["weight_r_x"], order), p["weight_n_x"]])
    r = np.concatenate([_blocks(p["weight_r_h"], order), p["weight_n_1"]])
    b = np.concatenate([_blocks(p["bias_r_x"], order), p["bias_n_x"], _blocks(p["bias_r_h"], order), p["bias_n_1"]])
    return _run_onnx("GRU", {"W": w, "R": r, "B": b}, x, [h], ["Sigmoid", activation], linear_before_reset=0)


def onnx_gru_v3_relu(p, x, h):
    return onnx_gru_v3(p, x, h, "Relu")


def onnx_gru_relu(p, x, h):
    """onnxruntime's GRU with linear_before_reset = 1, and ReLU."""
    order = (1, 0, 2)
    w, r = _blocks(p["weight_r_x"], order), _blocks(p["weight_r_h"], order)
    b = np.concatenate([_blocks(p["bias_r_x"], order), _blocks(p["bias_r_h"], order)])
    return _run_onnx("GRU", {"W": w, "R": r, "B": b}, x, [h], ["Sigmoid", "Relu"], linear_before_reset=1)


def onnx_lstm_relu(p, x, h, c):
    """onnxruntime's LSTM with ReLU in the place of both tanh. Its gates: i o f c."""
    order = (0, 2, 1, 3)
    w, r = _blocks(p["weight_i_x"], order), _blocks(p["weight_i_h"], order)
    b = np.concatenate([_blocks(p["bias_i_x"], order), _blocks(p["bias_i_h"], order)])
    return _run_onnx("LSTM", {"W": w, "R": r, "B": b}, x, [h, c], ["Sigmoid", "Relu", "Relu"])


def onnx_peephole_lstm(p, x, h, c):
    """onnxruntime's LSTM with peepholes. Its gates: i o f c; its peepholes: i o f. Ours: i f g o."""
    order = (0, 3, 1, 2)
    w, r = _blocks(p["weight_i_x"], order), _blocks(p["weight_i_h"], order)
    b = np.concatenate([_blocks(p["bias_i_x"], order), _blocks(p["bias_i_h"], order)])
    peepholes = np.concatenate([p["weight_i"], p["weight_o"], p["weight_f"]])
    activations = ["Sigmoid", "Tanh", "Tanh"]
    return _run_onnx("LSTM", {"W": w, "R": r, "B": b, "P": peepholes}, x, [h, c], activations)


def onnx_vanilla(p, x, h, c):
    """The same, for a cell with a matrix and a bias for each gate: z, i, f, o."""
    z, i, f, o = (list(p.values())[start:end] for start, end in ((0, 3), (3, 7), (7, 11), (11, 15)))
    gates = i, o, f, z
    w, b, r = (np.concatenate([gate[place] for gate in gates]) for place in range(3))
    peepholes = np.concatenate([i[3], o[3], f[3]])
    bias = np.concatenate([b, np.zeros_like(b)])
    return _run_onnx("LSTM", {"W": w, "R": r, "B": bias, "P": peepholes}, x, [h, c], ["Sigmoid", "Tanh", "Tanh"])


def _run_onnx(kind, arrays, x, states, activations, **attributes):
    inputs = ["X", "W", "R", "B", "", *(f"S{place}" for place in range(len(states))), *(["P"] if "P" in arrays else [])]
    outputs = ["Y", *(f"F{place}" for place in range(len(states)))]
    node = helper.make_node(
        kind, inputs, outputs, hidden_size=states[0].shape[1], activations=activations, **attributes
    )
    constants = [numpy_helper.from_array(array[None].astype(np.float32), name) for name, array in arrays.items()]
    given = {"X": x, **{f"S{place}": state[None] for place, state in enumerate(states)}}
    graph = helper.make_graph(
        [node],
        "stranger",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in given.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * (4 - (name != "Y"))) for name in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    output, *final = session.run(None, {name: array.astype(np.float32) for name, array in given.items()})
    return output[:, 0], *(one[0] for one in final)
