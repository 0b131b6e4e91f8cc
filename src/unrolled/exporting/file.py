"""A sheet as the bytes of an ONNX file, and back to whether bytes are one. Knows ONNX, no models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unrolled.errors import ExportError
from unrolled.exporting import libraries
from unrolled.exporting.sheet import TYPES, Call, Port, Sheet

OPERATORS, FORMAT = 17, 8  # ONNX 1.12's (onnx.helper.VERSION_TABLE)
_MOST = (1 << 31) - (1 << 24)  # bytes of constants: a file has 2 GiB at most


def file_of(sheet: Sheet, name: str, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a file that holds this graph.

    Raises:
        ExportError: it would be larger than such a file can be, or the library that writes it is missing.
    """
    onnx = libraries.onnx()
    size = sum(one.nbytes for one in sheet.constants.values())
    if size > _MOST:
        raise ExportError(f"its weights have {size:,} bytes: an ONNX file holds {_MOST:,} at most")
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in sheet.constants.items()]
    graph = _graph(onnx, sheet, name, constants)
    versions = [onnx.helper.make_opsetid("", OPERATORS)]
    model = onnx.helper.make_model(graph, opset_imports=versions, ir_version=FORMAT, producer_name="unrolled")
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def is_onnx(content: bytes) -> bool:
    """Whether these are the bytes of an ONNX file.

    Raises:
        ExportError: the library that reads it is missing.
    """
    onnx = libraries.onnx()
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # (protobuf's own errors, of whichever implementation)
        return False
    return bool(model.ir_version and model.opset_import and model.graph.node)


def _graph(onnx: Any, sheet: Sheet, name: str, constants: Any = ()) -> Any:
    ports = [[_port(onnx, one) for one in ports] for ports in (sheet.inputs, sheet.outputs)]
    return onnx.helper.make_graph([_node(onnx, call) for call in sheet.calls], name, *ports, constants)


def _node(onnx: Any, call: Call) -> Any:
    attributes = {
        name: _graph(onnx, value, name) if isinstance(value, Sheet) else value
        for name, value in call.attributes.items()
    }
    name = call.outputs[0]
    return onnx.helper.make_node(call.operator, call.inputs, call.outputs, name=name, **attributes)


def _port(onnx: Any, port: Port) -> Any:
    return onnx.helper.make_tensor_value_info(port.name, TYPES[port.numbers], port.shape)
