"""Values and gradients of layers, activations and losses by PyTorch, in float64.

Each case: the inputs, the result, and the gradients of sum(result * weights) with respect to the float inputs.
Usage: python make.py, with torch (2.13 was used). Writes cases.json beside this file.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)
CASES = {}


def array(value):
    kind = {torch.float64: "float64", torch.int64: "int32", torch.bool: "bool"}[value.dtype]
    data = value.detach().reshape(-1).tolist()
    return {"dtype": kind, "shape": list(value.shape), "data": [int(x) for x in data] if kind != "float64" else data}


def case(name, function, **inputs):
    leaves = {
        key: value.clone().requires_grad_(True) if value.dtype == torch.float64 else value for key, value in inputs.items()
    }
    result = function(*leaves.values())
    results = result if isinstance(result, tuple) else (result,)
    weights = torch.randn(results[0].shape)
    floats = [key for key, value in leaves.items() if value.requires_grad]
    gradients = torch.autograd.grad((results[0] * weights).sum(), [leaves[key] for key in floats], allow_unused=True)
    CASES[name] = {
        "inputs": {key: array(value) for key, value in inputs.items()},
        "results": [array(value) for value in results],
        "weights": array(weights),
        "gradients": {key: array(g) for key, g in zip(floats, gradients) if g is not None},
    }


def activations():
    x = torch.randn(4, 5) * 2
    for name, function in {
        "relu": F.relu,
        "leakyRelu": lambda x: F.leaky_relu(x, 0.2),
        "elu": lambda x: F.elu(x, 1.5),
        "selu": F.selu,
        "silu": F.silu,
        "mish": F.mish,
        "gelu": lambda x: F.gelu(x, approximate="tanh"),
        "hardTanh": F.hardtanh,
        "softmax": lambda x: F.softmax(x, -1),
        "softmax-columns": lambda x: F.softmax(x / 0.5, 0),
        "logSoftmax": lambda x: F.log_softmax(x, -1),
    }.items():
        case(name, function, x=x)
    case("logSoftmax-far", lambda x: F.log_softmax(x, -1), x=torch.tensor([[800.0, -800.0, 0.0], [1e4, 1e4, -1e4]]))


def layers():
    case("dense", lambda x, weight, bias: F.linear(x, weight.T, bias), x=torch.randn(2, 3, 4), weight=torch.randn(4, 5), bias=torch.randn(5))
    case(
        "layerNorm",
        lambda x, scale, bias: F.layer_norm(x, [3, 4], scale, bias, 1e-3),
        x=torch.randn(5, 3, 4),
        scale=torch.randn(3, 4),
        bias=torch.randn(3, 4),
    )

    def batch_norm(x, scale, bias, mean, variance):
        running = mean.detach().clone(), variance.detach().clone()
        y = F.batch_norm(x, *running, scale, bias, training=True, momentum=0.3, eps=1e-4)
        return (y, *running)

    def batch_norm_evaluated(x, scale, bias, mean, variance):
        return F.batch_norm(x, mean.detach(), variance.detach(), scale, bias, training=False, eps=1e-4)

    statistics = {"scale": torch.randn(3), "bias": torch.randn(3), "mean": torch.randn(3), "variance": torch.rand(3) + 0.5}
    case("batchNorm-matrix", batch_norm, x=torch.randn(6, 3), **statistics)
    case("batchNorm-images", batch_norm, x=torch.randn(2, 3, 4, 5), **statistics)
    case("batchNorm-eval", batch_norm_evaluated, x=torch.randn(2, 3, 4, 5), **statistics)
    case(
        "groupNorm",
        lambda x, scale, bias: F.group_norm(x, 3, scale, bias, 1e-4),
        x=torch.randn(2, 6, 4),
        scale=torch.randn(6),
        bias=torch.randn(6),
    )
    case(
        "embedding",
        lambda table, indices: F.embedding(indices, table),
        table=torch.randn(5, 3),
        indices=torch.tensor([[0, 4, 2], [2, 2, 1]]),
    )


def attention():
    q, k, v = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6, 5), torch.randn(2, 3, 6, 7)
    mask = torch.rand(2, 1, 4, 6) > 0.4
    mask[..., 0] = True
    case("attention", F.scaled_dot_product_attention, query=q, key=k, value=v)
    case(
        "attention-mask",
        lambda query, key, value, mask: F.scaled_dot_product_attention(query, key, value, attn_mask=mask),
        query=q,
        key=k,
        value=v,
        mask=mask,
    )
    case(
        "attention-causal",
        lambda query, key, value: F.scaled_dot_product_attention(query, key, value, is_causal=True),
        query=torch.randn(2, 5, 3),
        key=torch.randn(2, 5, 3),
        value=torch.randn(2, 5, 3),
    )

    def multi_head(x, query, key, value, output, queryBias, keyBias, valueBias, outputBias):
        width = x.shape[-1]
        y, _ = F.multi_head_attention_forward(
            *[x.transpose(0, 1)] * 3,
            width,
            2,
            torch.cat([query.T, key.T, value.T]),
            torch.cat([queryBias, keyBias, valueBias]),
            None,
            None,
            False,
            0.0,
            output.T,
            outputBias,
            need_weights=False,
        )
        return y.transpose(0, 1)

    matrices = {name: torch.randn(6, 6) for name in ("query", "key", "value", "output")}
    biases = {f"{name}Bias": torch.randn(6) for name in matrices}
    case("multiHeadAttention", multi_head, x=torch.randn(2, 4, 6), **matrices, **biases)


def losses():
    prediction, target = torch.randn(4, 3) * 2, torch.randn(4, 3)
    pair = {"prediction": prediction, "target": target}
    case("squaredLoss", lambda prediction, target: 0.5 * F.mse_loss(prediction, target, reduction="sum"), **pair)
    case("meanSquaredError", lambda prediction, target: F.mse_loss(prediction, target), **pair)
    case("absoluteLoss", lambda prediction, target: F.l1_loss(prediction, target), **pair)
    case("huberLoss", lambda prediction, target: F.huber_loss(prediction, target, delta=0.7, reduction="none"), **pair)
    signs = torch.sign(torch.randn(4, 3))
    hinge = lambda prediction, target: (1 - prediction * target).clamp_min(0)  # noqa: E731
    case("hingeLoss", lambda prediction, target: hinge(prediction, target).mean(), prediction=prediction, target=signs)
    case(
        "squaredHingeLoss",
        lambda prediction, target: hinge(prediction, target).square().sum(),
        prediction=prediction,
        target=signs,
    )
    case(
        "binaryCrossEntropy",
        lambda prediction, target: F.binary_cross_entropy_with_logits(prediction, target),
        prediction=torch.tensor([[-1000.0, 1000.0, 0.3], [2.0, -3.0, 0.0]]),
        target=torch.tensor([[0.0, 1.0, 0.25], [0.0, 1.0, 0.5]]),
    )
    logits, labels = torch.randn(5, 4) * 3, torch.tensor([0, 3, 1, 1, 2])
    logits[0] *= 300
    case("softmaxCrossEntropy", lambda logits, labels: F.cross_entropy(logits, labels), logits=logits, labels=labels)
    case(
        "softmaxCrossEntropy-smooth",
        lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=0.2, reduction="none"),
        logits=logits,
        labels=labels,
    )
    case(
        "negativeLogLikelihood",
        lambda logits, labels: F.nll_loss(logits, labels, reduction="sum"),
        logits=torch.log_softmax(torch.randn(5, 4), -1),
        labels=labels,
    )
    distribution = torch.tensor([[0.2, 0.8, 0.0], [0.5, 0.25, 0.25]])
    case(
        "klDivergence",
        lambda logits: F.kl_div(logits, distribution, reduction="batchmean"),
        logits=torch.log_softmax(torch.randn(2, 3), -1),
    )
    CASES["klDivergence"]["inputs"]["target"] = array(distribution)


activations()
layers()
attention()
losses()
document = {"torch": torch.__version__, "cases": CASES}
Path(__file__).with_name("cases.json").write_text(json.dumps(document))
