"""Depth, plain and residual: gradients before training, and what networks of so many layers learn of digits.

    unrolled data get digits               # and digits-test
    python -m benchmarks.depth [--layers 10 20 50] [--seeds 1 2 3] [--steps 600]
    python -m benchmarks.depth --layers 50 --seeds 1 --only "plain, He" --rates 0.002 0.004 0.008

Slide 77 of the lecture: y = F(x) against y = x + F(x). For each depth and each seed a line a network: the gradient in
its first layer, relative to the last one's, before training; its learning rate; the accuracy on the 1,000 digits of
digits-test as it learns. "plain, He" has He's initial values, and a fourth of the rate.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is here, as the command does: docs/decisions/0003

from unrolled.runs import DepthConfig, depth_curves


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--layers", type=int, nargs="+", default=[10, 20, 50])
    made.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    made.add_argument("--rates", type=float, nargs="+", default=[DepthConfig.model_fields["learning_rate"].default])
    made.add_argument("--steps", type=int, default=600)
    made.add_argument("--only", nargs="+", metavar="NETWORK", default=DepthConfig.model_fields["networks"].default)
    options = made.parse_args()
    for layers in options.layers:
        for seed in options.seeds:
            for rate in options.rates:
                print_depth(layers=layers, seed=seed, learning_rate=rate, steps=options.steps, networks=options.only)


def print_depth(**options: Any) -> None:
    started = time.process_time()
    found = depth_curves(DepthConfig(data=("digits",), measured=("digits-test",), **options))
    print(f"{options['layers']} layers, seed {options['seed']}, {time.process_time() - started:.0f} s of the processor")
    for one in found.learnt:
        curve = "  ".join(f"{step}: {share:.3f}" for step, share in zip(one.steps, one.accuracies, strict=True))
        print(f"  {one.name}, rate {one.rate:g}, first gradient {one.gradients[0]:.2g}; {curve}", flush=True)


if __name__ == "__main__":
    main()
