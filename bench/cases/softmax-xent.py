"""Softmax cross-entropy, value and gradient. Twin of softmax-xent.ts."""

import torch


class Eager:
    """The fused loss of torch.nn.functional and autograd."""

    def __init__(self, parameters, data):
        self.logits = data["logits"].requires_grad_()
        self.labels = data["labels"].long()

    def evaluate(self):
        value = torch.nn.functional.cross_entropy(self.logits, self.labels)
        return value, torch.autograd.grad(value, self.logits)[0]

    def run(self, repetitions):
        for _ in range(repetitions):
            self.evaluate()

    def result(self):
        value, gradient = self.evaluate()
        return {"value": value.detach(), "gradient": gradient}


PEERS = {"torch-eager": Eager}
