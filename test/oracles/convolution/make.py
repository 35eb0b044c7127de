"""Reference data for convolution and pooling, by PyTorch in float64: results and gradients of the sum of squares of the results.
Writes cases.json beside it.

  python -m pip install torch
  python make.py
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}

generator = torch.Generator().manual_seed(5)


def draw(shape):
    """Two decimals: exact in the file, and hardly ever equal."""
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return torch.round(values * 100) / 100


def flat(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.15g}") for v in tensor.detach().reshape(-1).tolist()]}


def case(op, function, operands, options):
    leaves = [operand.clone().requires_grad_() for operand in operands]
    result = function(*leaves)
    result.square().sum().backward()
    return {
        "op": op,
        "options": options,
        "operands": [flat(operand) for operand in operands],
        "result": flat(result),
        "gradients": [flat(leaf.grad) for leaf in leaves],
    }


def conv(x, w, **options):
    axes = len(x) - 2
    return case("conv", lambda a, b: CONV[axes](a, b, **options), [draw(x), draw(w)], options)


def transposed(y, w, **options):
    axes = len(y) - 2
    names = {"output_padding": "outputPadding"}
    shown = {names.get(name, name): value for name, value in options.items()}
    return case("convTranspose", lambda a, b: TRANSPOSED[axes](a, b, **options), [draw(y), draw(w)], shown)


def max_pool(x, window, **options):
    axes = len(x) - 2
    return case("maxPool", lambda a: MAX_POOL[axes](a, window, **options), [draw(x)], {"window": window, **options})


def avg_pool(x, window, count_padding=True, **options):
    axes = len(x) - 2
    function = lambda a: AVG_POOL[axes](a, window, count_include_pad=count_padding, **options)
    return case("avgPool", function, [draw(x)], {"window": window, "countPadding": count_padding, **options})


cases = [
    conv([2, 3, 11], [4, 3, 3], padding=1),
    conv([2, 4, 12], [6, 2, 4], stride=3, padding=2, dilation=2, groups=2),
    conv([2, 2, 7, 8], [3, 2, 3, 3], padding=[1, 2]),
    conv([1, 2, 9, 8], [4, 2, 3, 2], stride=[2, 3], padding=[1, 0], dilation=[1, 2]),
    conv([1, 4, 6, 6], [4, 1, 3, 3], padding=1, groups=4),
    conv([1, 2, 4, 5, 4], [2, 2, 2, 3, 2], stride=[1, 2, 1], padding=1),
    transposed([2, 3, 5], [3, 2, 4], stride=2, padding=1),
    transposed([1, 4, 4, 3], [4, 2, 3, 3], stride=[2, 3], padding=[1, 0], output_padding=[1, 2], groups=2),
    transposed([1, 2, 3, 2, 3], [2, 2, 2, 2, 2], stride=2, dilation=2),
    max_pool([2, 3, 9], 3),
    max_pool([2, 2, 7, 8], [3, 2], stride=[2, 1], padding=[1, 0]),
    max_pool([1, 2, 9, 9], 2, stride=2, dilation=3, padding=1),
    max_pool([1, 2, 4, 4, 5], 2),
    avg_pool([2, 2, 9], 2),
    avg_pool([2, 2, 7, 8], 3, stride=2, padding=1),
    avg_pool([2, 2, 7, 8], 3, stride=2, padding=1, count_padding=False),
    avg_pool([1, 2, 4, 4, 5], [2, 2, 3], stride=1),
]

Path(__file__).with_name("cases.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
