"""64 chained elementwise operations on 128 floats. Twin of chain.ts."""

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


class Chain:
    """`run(k)` makes k rounds of `inFlight` independent calls whose results are all alive until the round's last one is read."""

    function = staticmethod(chained)

    def __init__(self, parameters, data):
        self.in_flight = parameters["inFlight"]
        self.arguments = (data["x"], data["scale"], data["shift"])

    @torch.inference_mode()
    def result(self):
        return {"y": self.function(*self.arguments)}

    @torch.inference_mode()
    def run(self, repetitions):
        function, arguments, in_flight = self.function, self.arguments, self.in_flight
        for _ in range(repetitions):
            results = [function(*arguments) for _ in range(in_flight)]
            results[-1].cpu().numpy()


class CompiledChain(Chain):
    function = staticmethod(torch.compile(chained, dynamic=False))


PEERS = {"torch-eager": Chain, "torch-compile": CompiledChain}
