"""Cholesky factors of many small matrices, float64. Twin of cholesky-batched.ts."""

import torch


class Cholesky:
    """torch.linalg.cholesky, which looks at every matrix's info, too."""

    def __init__(self, parameters, data):
        self.a = data["a"]

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            torch.linalg.cholesky(self.a)

    @torch.inference_mode()
    def result(self):
        return {"l": torch.linalg.cholesky(self.a)}


class CholeskyOut:
    """Nothing is allocated, nothing is checked."""

    def __init__(self, parameters, data):
        self.a = data["a"]
        self.out = (torch.empty_like(self.a), torch.empty(len(self.a), dtype=torch.int32))

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            torch.linalg.cholesky_ex(self.a, out=self.out)

    def result(self):
        self.run(1)
        return {"l": self.out[0]}


PEERS = {"torch": Cholesky, "torch-out": CholeskyOut}
