"""Gradients of the loss of a two-layer perceptron, one for each example. Twin of per-example-grad.ts."""

import torch

NAMES = ("w1", "b1", "w2", "b2")


def loss(w1, b1, w2, b2, x, label):
    logits = torch.relu(x @ w1 + b1) @ w2 + b2
    return torch.nn.functional.cross_entropy(logits, label)


class Functional:
    """torch.func: vmap of grad, as its tutorial on per-sample gradients writes it."""

    def __init__(self, parameters, data):
        self.weights = tuple(data[name] for name in NAMES)
        self.x = data["x"]
        self.labels = data["labels"].long()
        gradient = torch.func.grad(loss, argnums=(0, 1, 2, 3))
        self.gradients = torch.func.vmap(gradient, in_dims=(None, None, None, None, 0, 0))

    def apply(self):
        return self.gradients(*self.weights, self.x, self.labels)

    def run(self, repetitions):
        for _ in range(repetitions):
            self.apply()

    def result(self):
        return dict(zip(NAMES, self.apply()))


PEERS = {"torch-func": Functional}
