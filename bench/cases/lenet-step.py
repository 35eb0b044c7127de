"""Gradient step (loss, gradients, update) of LeNet-5 on 28 x 28 images with softmax cross-entropy. Twin of lenet-step.ts."""

import torch
from torch import nn


class Idiomatic:
    """nn.Module, autograd and optim.SGD with their defaults, as the tutorials write it."""

    def __init__(self, parameters, data):
        self.data = data
        self.steps = parameters["checkedSteps"]
        self.model = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
        )
        self.layers = [layer for layer in self.model if hasattr(layer, "weight")]
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=parameters["learningRate"])
        self.x = data["x"]
        self.labels = data["labels"].long()

    @torch.no_grad()
    def begin(self):
        for k, layer in enumerate(self.layers, 1):
            weight = self.data[f"w{k}"]
            layer.weight.copy_(weight.t() if isinstance(layer, nn.Linear) else weight)
            layer.bias.copy_(self.data[f"b{k}"])

    def step(self):
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.x), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, repetitions):
        for _ in range(repetitions):
            self.step()

    def result(self):
        for _ in range(self.steps):
            loss = self.step()
        result = {"loss": loss.detach()}
        for k, layer in enumerate(self.layers, 1):
            weight = layer.weight.detach()
            result[f"w{k}"] = weight.t() if isinstance(layer, nn.Linear) else weight
            result[f"b{k}"] = layer.bias.detach()
        return result


PEERS = {"torch-idiomatic": Idiomatic}
