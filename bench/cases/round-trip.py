"""One call of 64 chained elementwise operations on 128 floats, issued and read alone. Twin of round-trip.ts."""

import torch


def chained(x, scale, shift):
    for _ in range(8):
        x = x * scale
        x = x + shift
        x = torch.relu(x)
        x = x - 0.25
        x = torch.abs(x)
        x = x * 0.75
        x = torch.minimum(x, scale)
        x = -x
    return x


class RoundTrip:
    def __init__(self, parameters, data):
        self.arguments = (data["x"], data["scale"], data["shift"])

    @torch.inference_mode()
    def result(self):
        return {"y": chained(*self.arguments)}

    @torch.inference_mode()
    def run(self, repetitions):
        arguments = self.arguments
        for _ in range(repetitions):
            chained(*arguments).cpu().numpy()


PEERS = {"torch-eager": RoundTrip}
