"""Gradient step (loss, gradients, update) of a two-layer perceptron with softmax cross-entropy. Twin of mlp-step.ts."""

import torch


class Idiomatic:
    """nn.Module, autograd and optim.SGD with their defaults, as the tutorials write it."""

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

    @torch.no_grad()
    def begin(self):
        first, _, second = self.model
        first.weight.copy_(self.data["w1"].t())
        first.bias.copy_(self.data["b1"])
        second.weight.copy_(self.data["w2"].t())
        second.bias.copy_(self.data["b2"])

    def step(self):
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.model(self.x), self.labels)
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


class InPlace:
    """By hand: every buffer allocated once, biases and updates folded into the GEMMs, no graph, no gradient ever stored."""

    def __init__(self, parameters, data):
        self.data = data
        self.steps = parameters["checkedSteps"]
        self.x = data["x"]
        self.x_transposed = self.x.t()
        batch, hidden, outputs = self.x.shape[0], data["w1"].shape[1], data["w2"].shape[1]
        self.one_hot = torch.nn.functional.one_hot(data["labels"].long(), outputs).to(torch.float32)
        self.rate = -parameters["learningRate"] / batch
        self.w1, self.b1, self.w2, self.b2 = (data[name].clone() for name in ("w1", "b1", "w2", "b2"))
        self.hidden = torch.zeros(batch, hidden)
        self.delta = torch.zeros(batch, hidden)
        self.logits = torch.zeros(batch, outputs)
        self.log_probabilities = torch.zeros(batch, outputs)
        self.residual = torch.zeros(batch, outputs)
        self.ones = torch.ones(batch)

    @torch.inference_mode()
    def begin(self):
        for name in ("w1", "b1", "w2", "b2"):
            getattr(self, name).copy_(self.data[name])

    def step(self):
        torch.addmm(self.b1, self.x, self.w1, out=self.hidden)
        self.hidden.clamp_min_(0)
        torch.addmm(self.b2, self.hidden, self.w2, out=self.logits)
        torch.log_softmax(self.logits, 1, out=self.log_probabilities)
        # The loss is a result of the step on both sides.
        loss = torch.dot(self.log_probabilities.view(-1), self.one_hot.view(-1)) / -self.x.shape[0]
        torch.exp(self.log_probabilities, out=self.residual).sub_(self.one_hot)
        torch.mm(self.residual, self.w2.t(), out=self.delta)
        torch.ops.aten.threshold_backward.grad_input(self.delta, self.hidden, 0, grad_input=self.delta)
        self.w2.addmm_(self.hidden.t(), self.residual, alpha=self.rate)
        self.b2.addmv_(self.residual.t(), self.ones, alpha=self.rate)
        self.w1.addmm_(self.x_transposed, self.delta, alpha=self.rate)
        self.b1.addmv_(self.delta.t(), self.ones, alpha=self.rate)
        return loss

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            self.step()

    @torch.inference_mode()
    def result(self):
        for _ in range(self.steps):
            loss = self.step()
        return {"loss": loss, "w1": self.w1, "b1": self.b1, "w2": self.w2, "b2": self.b2}


PEERS = {"torch-idiomatic": Idiomatic, "torch-in-place": InPlace}
