"""Singular value and eigenvalue decompositions of a large matrix, float64. Twin of decompositions.ts."""

import torch


class Decomposition:
    def __init__(self, parameters, data):
        self.a = data["a"]
        self.symmetric = parameters["symmetric"] == 1

    def decompose(self):
        return torch.linalg.eigh(self.a) if self.symmetric else torch.linalg.svd(self.a, full_matrices=False)

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            self.decompose()

    @torch.inference_mode()
    def result(self):
        if self.symmetric:
            values, u = self.decompose()
            vt = u.T
        else:
            u, values, vt = self.decompose()
        return {"values": values, "product": (u * values) @ vt, "gram": u.T @ u}


PEERS = {"torch": Decomposition}
