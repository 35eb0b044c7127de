"""Trajectories of PyTorch's optimisers in float64, on a quartic with three parameters in two tensors.

Usage: python optimizers.py, with torch (2.13 was used). Writes optimizers.json beside this file.
"""

import json
import math
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)
STEPS = 12


def objective(a, b):
    return (a[0] - 1) ** 2 + 0.5 * (a[1] + 2) ** 4 + a[0] * b * 0.3 + (b - 0.5) ** 2


def trajectory(make, schedule=None, clip=None):
    a, b = torch.tensor([3.0, -1.0], requires_grad=True), torch.tensor(2.0, requires_grad=True)
    optimizer = make([a, b])
    scheduler = schedule(optimizer) if schedule else None
    path = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        objective(a, b).backward()
        if clip:
            clip([a, b])
        optimizer.step()
        if scheduler:
            scheduler.step()
        path.append([*a.tolist(), b.item()])
    return path


def clip_norm(parameters):
    # Without PyTorch's 1e-6 beside the norm.
    norm = torch.sqrt(sum((p.grad**2).sum() for p in parameters))
    for p in parameters:
        p.grad *= torch.clamp(1.5 / norm, max=1)


def clip_value(parameters):
    torch.nn.utils.clip_grad_value_(parameters, 0.8)


def warm_up(optimizer):
    """Four steps up from 0, six down to a tenth, where it stays (PyTorch's own cosine rises again)."""

    def factor(step):
        if step < 4:
            return step / 4
        return 0.1 + 0.9 * (1 + math.cos(math.pi * min(1, (step - 4) / 6))) / 2

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


optim, schedulers = torch.optim, torch.optim.lr_scheduler
SGD = lambda rate=0.05, **options: lambda p: optim.SGD(p, lr=rate, **options)  # noqa: E731
CASES = {
    "sgd": trajectory(SGD()),
    "momentum": trajectory(SGD(momentum=0.8)),
    "nesterov": trajectory(SGD(momentum=0.8, nesterov=True)),
    "coupled-decay": trajectory(SGD(momentum=0.8, weight_decay=0.1)),
    "adam": trajectory(lambda p: optim.Adam(p, lr=0.1, betas=(0.8, 0.99), eps=1e-6)),
    "adamW": trajectory(lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.2)),
    "adagrad": trajectory(lambda p: optim.Adagrad(p, lr=0.3, initial_accumulator_value=0.1)),
    "rmsProp": trajectory(lambda p: optim.RMSprop(p, lr=0.05, alpha=0.9)),
    "rmsProp-momentum": trajectory(lambda p: optim.RMSprop(p, lr=0.02, alpha=0.9, momentum=0.7)),
    "rmsProp-centered": trajectory(lambda p: optim.RMSprop(p, lr=0.02, alpha=0.9, centered=True)),
    "clip-norm": trajectory(SGD(), clip=clip_norm),
    "clip-value": trajectory(SGD(), clip=clip_value),
    "exponential": trajectory(SGD(0.1), lambda o: schedulers.ExponentialLR(o, 0.8)),
    "staircase": trajectory(SGD(0.1), lambda o: schedulers.StepLR(o, 3, 0.5)),
    "piecewise": trajectory(SGD(0.1), lambda o: schedulers.MultiStepLR(o, [2, 7], 0.1)),
    "linear": trajectory(SGD(0.1), lambda o: schedulers.LinearLR(o, 0.2, 0.7, 5)),
    "warm-up-cosine": trajectory(SGD(0.1), warm_up),
}
document = {"torch": torch.__version__, "start": [3.0, -1.0, 2.0], "cases": CASES}
Path(__file__).with_name("optimizers.json").write_text(json.dumps(document))
