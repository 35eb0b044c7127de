"""Logistic regression with a ridge by L-BFGS with ten pairs, to one tolerance on the gradient. Twin of lbfgs.ts."""

import numpy as np
import torch
from scipy.optimize import minimize


class Scipy:
    """scipy.optimize's L-BFGS-B with the gradient derived by hand; products in float32 by NumPy's BLAS."""

    def __init__(self, parameters, data):
        self.x, self.y = data["x"].numpy(), data["y"].numpy()
        self.ridge = np.float32(parameters["ridge"])
        self.options = {
            "gtol": parameters["gradientTolerance"],
            "ftol": 0,
            "maxcor": int(parameters["pairs"]),
            "maxiter": 1000,
        }

    def value_and_gradient(self, w):
        w = w.astype(np.float32)
        margins = self.y * (self.x @ w)
        # log(1 + exp(-m)) and its derivative from one exponential, without overflow.
        small = np.exp(-np.abs(margins))
        value = np.mean(np.log1p(small) + np.maximum(-margins, 0)) + self.ridge / 2 * (w @ w)
        weights = np.where(margins > 0, small, 1) / (1 + small)
        gradient = self.x.T @ (self.y * weights) / np.float32(-len(self.y)) + self.ridge * w
        return float(value), gradient.astype(np.float64)

    def fit(self):
        start = np.zeros(self.x.shape[1])
        return minimize(self.value_and_gradient, start, jac=True, method="L-BFGS-B", options=self.options)

    def run(self, repetitions):
        for _ in range(repetitions):
            self.fit()

    def result(self):
        return {"objective": np.array([self.fit().fun])}


class Torch:
    """torch.optim.LBFGS with its strong Wolfe search; the gradient by autograd through fused operations."""

    def __init__(self, parameters, data):
        self.x, self.y = data["x"], data["y"]
        self.ridge = parameters["ridge"]
        self.options = {
            "tolerance_grad": parameters["gradientTolerance"],
            "tolerance_change": 0,
            "history_size": int(parameters["pairs"]),
            "max_iter": 1000,
            "line_search_fn": "strong_wolfe",
        }

    def objective(self, w):
        fit = torch.nn.functional.soft_margin_loss(self.x @ w, self.y)
        return fit + self.ridge / 2 * torch.dot(w, w)

    def fit(self):
        w = torch.zeros(self.x.shape[1], device=self.x.device, requires_grad=True)
        optimizer = torch.optim.LBFGS([w], **self.options)

        def closure():
            optimizer.zero_grad()
            loss = self.objective(w)
            loss.backward()
            return loss

        optimizer.step(closure)
        return w.detach()

    def run(self, repetitions):
        for _ in range(repetitions):
            self.fit()

    def result(self):
        with torch.no_grad():
            return {"objective": self.objective(self.fit()).reshape(1)}


PEERS = {"scipy": Scipy, "torch": Torch}
