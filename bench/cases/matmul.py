"""Products of square matrices. Twin of matmul.ts."""

import torch


class Product:
    def __init__(self, parameters, data):
        self.a, self.b = data["a"], data["b"]

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            self.a @ self.b

    @torch.inference_mode()
    def result(self):
        return {"c": self.a @ self.b}


PEERS = {"torch": Product}
