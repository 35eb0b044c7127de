"""Gradient step (loss, gradients, update) of a two-layer perceptron under torch.compile. Twin of mlp-step.ts."""

import torch


class Compiled:
    """The module and its loss compiled, autograd and optim.SGD around them, as the tutorials write it."""

    def __init__(self, parameters, data):
        self.data = data
        self.steps = parameters["checkedSteps"]
        inputs, hidden = data["w1"].shape
        outputs = data["w2"].shape[1]
        self.model = torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, outputs)
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=parameters["learningRate"])
        self.x = data["x"]
        self.labels = data["labels"].long()
        self.loss = torch.compile(lambda x, labels: torch.nn.functional.cross_entropy(self.model(x), labels))

    @torch.no_grad()
    def begin(self):
        first, _, second = self.model
        first.weight.copy_(self.data["w1"].t())
        first.bias.copy_(self.data["b1"])
        second.weight.copy_(self.data["w2"].t())
        second.bias.copy_(self.data["b2"])

    def step(self):
        self.optimizer.zero_grad()
        loss = self.loss(self.x, self.labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, repetitions):
        for _ in range(repetitions):
            self.step()

    def result(self):
        for _ in range(self.steps):
            loss = self.step()
        first, _, second = self.model
        return {
            "loss": loss.detach(),
            "w1": first.weight.detach().t(),
            "b1": first.bias.detach(),
            "w2": second.weight.detach().t(),
            "b2": second.bias.detach(),
        }


class CompiledFunctional:
    """Loss, gradients and update as one compiled function of the weights: nothing is left outside."""

    def __init__(self, parameters, data):
        self.data = data
        self.steps = parameters["checkedSteps"]
        self.names = ("w1", "b1", "w2", "b2")
        self.x = data["x"]
        self.labels = data["labels"].long()
        rate = parameters["learningRate"]

        def loss(w1, b1, w2, b2, x, labels):
            hidden = torch.relu(torch.addmm(b1, x, w1))
            return torch.nn.functional.cross_entropy(torch.addmm(b2, hidden, w2), labels)

        def step(weights, x, labels):
            gradients, value = torch.func.grad_and_value(loss, argnums=(0, 1, 2, 3))(*weights, x, labels)
            return [w - rate * g for w, g in zip(weights, gradients)], value

        self.compiled = torch.compile(step)

    def begin(self):
        self.weights = [self.data[name].clone() for name in self.names]

    @torch.no_grad()
    def run(self, repetitions):
        for _ in range(repetitions):
            self.weights, _ = self.compiled(self.weights, self.x, self.labels)

    @torch.no_grad()
    def result(self):
        for _ in range(self.steps):
            self.weights, value = self.compiled(self.weights, self.x, self.labels)
        return {"loss": value, **dict(zip(self.names, self.weights))}


PEERS = {"torch-compile": Compiled, "torch-compile-functional": CompiledFunctional}
