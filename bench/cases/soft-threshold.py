"""sign(x) max(|x| - t, 0) of a long vector. Twin of soft-threshold.ts."""

import torch


class Composed:
    """As the formula reads, one eager operation after the other."""

    def __init__(self, parameters, data):
        self.x = data["x"]
        self.threshold = parameters["threshold"]

    def apply(self):
        return torch.sign(self.x) * torch.relu(torch.abs(self.x) - self.threshold)

    @torch.inference_mode()
    def result(self):
        return {"y": self.apply()}

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            self.apply()


class Softshrink(Composed):
    """The fused operation; each result is freshly allocated."""

    def apply(self):
        return torch.nn.functional.softshrink(self.x, self.threshold)


class SoftshrinkOut(Composed):
    """The fused operation into a warm result: one read and one write an element, nothing else."""

    def __init__(self, parameters, data):
        super().__init__(parameters, data)
        self.y = torch.zeros_like(self.x)

    def apply(self):
        return torch._C._nn.softshrink(self.x, self.threshold, out=self.y)


class Copy(Composed):
    """No arithmetic at all: a parallel copy between warm arrays. Its result is compared with x."""

    def __init__(self, parameters, data):
        super().__init__(parameters, data)
        self.y = torch.zeros_like(self.x)

    def apply(self):
        return self.y.copy_(self.x)


PEERS = {
    "torch-composed": Composed,
    "torch-softshrink": Softshrink,
    "torch-softshrink-out": SoftshrinkOut,
    "copy": Copy,
}
