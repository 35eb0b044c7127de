"""Hessian-vector product of the loss of a two-layer perceptron. Twin of mlp-hvp.ts."""

import torch

NAMES = ("w1", "b1", "w2", "b2")


def loss(w1, b1, w2, b2, x, labels):
    hidden = torch.relu(torch.addmm(b1, x, w1))
    return torch.nn.functional.cross_entropy(torch.addmm(b2, hidden, w2), labels)


class Functional:
    """torch.func: the derivative of the gradient along a direction."""

    def __init__(self, parameters, data):
        self.weights = tuple(data[name] for name in NAMES)
        self.direction = tuple(data["d" + name] for name in NAMES)
        labels = data["labels"].long()
        self.gradient = torch.func.grad(lambda *w: loss(*w, data["x"], labels), argnums=(0, 1, 2, 3))

    def apply(self):
        return torch.func.jvp(self.gradient, self.weights, self.direction)[1]

    def run(self, repetitions):
        for _ in range(repetitions):
            self.apply()

    def result(self):
        return dict(zip(NAMES, (value.detach() for value in self.apply())))


class DoubleBackward(Functional):
    """autograd twice: the gradient of the gradient's inner product with the direction."""

    def __init__(self, parameters, data):
        super().__init__(parameters, data)
        self.weights = tuple(w.clone().requires_grad_() for w in self.weights)
        self.x = data["x"]
        self.labels = data["labels"].long()

    def apply(self):
        gradients = torch.autograd.grad(loss(*self.weights, self.x, self.labels), self.weights, create_graph=True)
        return torch.autograd.grad(gradients, self.weights, grad_outputs=self.direction)


PEERS = {"torch-func": Functional, "torch-double-backward": DoubleBackward}
