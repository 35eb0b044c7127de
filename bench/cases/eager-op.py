"""Eager operations on a short vector. Twin of eager-op.ts."""

import torch


class Eager:
    def __init__(self, parameters, data):
        self.x, self.scale = data["x"], data["scale"]
        self.rounds = parameters["rounds"]

    def iterate(self):
        y = self.x
        for _ in range(self.rounds):
            y = y * self.scale
            y = y + self.x
            y = torch.tanh(y)
            y = y - 0.25
        return y.cpu().numpy()

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            self.iterate()

    @torch.inference_mode()
    def result(self):
        return {"y": self.iterate()}


PEERS = {"torch-eager": Eager}
