"""The Python side of the pairing harness: one long-lived process that answers one JSON line per JSON line.

Requests (see harness/protocol.ts): start, prepare, result, time, exit. A case is the file cases/<name>.py; its `PEERS` maps a
peer's name to a class with `__init__(parameters, data)`, `result() -> {name: array}`, `run(repetitions)` and, where runs change
their own input, `begin()`, which restores it and is not timed. Data are tensors on the device that `start` names, and what
`__init__` makes lands there, too; the other methods have to name it. On a GPU the clock is its own: events around `run`.
"""

import gc
import importlib.util
import json
import os
import platform
import sys
import time
import traceback

import numpy as np
import scipy
import torch

FOLDER = os.path.dirname(os.path.abspath(__file__))

# Answers go to the original stdout; whatever a library prints goes to stderr and cannot spoil the protocol.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def read_arrays(description, device):
    """The copies are warm, aligned and owned by torch's allocator, as a user's tensors would be."""
    arrays = {}
    for name, entry in description.items():
        values = np.fromfile(entry["file"], dtype=entry["dtype"]).reshape(entry["shape"])
        arrays[name] = torch.from_numpy(values).to(device, copy=True)
    return arrays


def write_arrays(results, folder, prefix):
    description = {}
    for name, value in results.items():
        values = torch.as_tensor(value).cpu().numpy()
        values = np.ascontiguousarray(values, dtype=np.float64 if values.dtype == np.float64 else np.float32)
        file = os.path.join(folder, f"{prefix}-{name}.bin")
        values.tofile(file)
        description[name] = {"file": file, "dtype": values.dtype.name, "shape": list(values.shape)}
    return description


def load_case(name):
    spec = importlib.util.spec_from_file_location("bench_case", os.path.join(FOLDER, "cases", f"{name.partition(':')[0]}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Worker:
    def __init__(self):
        self.peers = {}
        self.runners = {}
        self.data = {}
        self.parameters = {}
        self.device = torch.device("cpu")

    def start(self, request):
        torch.set_num_threads(request["threads"])
        self.device = torch.device(request["device"])
        versions = {}
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
            # float32 on both sides. For products that is torch's default, for convolutions it is not.
            torch.backends.cudnn.allow_tf32 = False
            versions = {"device": torch.cuda.get_device_name(self.device), "cuda": torch.version.cuda}
        return {
            "versions": {
                **versions,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "blas": "MKL" if torch.backends.mkl.is_available() else "other",
                "simd": torch.backends.cpu.get_cpu_capability(),
            },
            "threads": torch.get_num_threads(),
        }

    def prepare(self, request):
        self.peers = load_case(request["case"]).PEERS
        self.parameters = request["parameters"]
        self.data = read_arrays(request["data"], self.device)
        self.runners = {}
        return {}

    def runner(self, request):
        peer = request["peer"]
        if peer not in self.runners:
            # Here only: a default device costs time at every call of torch.
            with self.device:
                self.runners[peer] = self.peers[peer](self.parameters, self.data)
        return self.runners[peer]

    def result(self, request):
        runner = self.runner(request)
        if hasattr(runner, "begin"):
            runner.begin()
        return {"arrays": write_arrays(runner.result(), request["folder"], request["peer"])}

    def time(self, request):
        runner = self.runner(request)
        if hasattr(runner, "begin"):
            runner.begin()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            before.record()
            runner.run(request["repetitions"])
            after.record()
            after.synchronize()
            return {"seconds": before.elapsed_time(after) / 1e3}
        started = time.perf_counter()
        runner.run(request["repetitions"])
        return {"seconds": time.perf_counter() - started}


def main():
    worker = Worker()
    operations = {"start": worker.start, "prepare": worker.prepare, "result": worker.result, "time": worker.time}
    answered, used = time.perf_counter(), time.process_time()
    for line in sys.stdin:
        # How busy this process was while the other side had the machine; process_time counts every thread.
        idle = {"wall": time.perf_counter() - answered, "cpu": time.process_time() - used}
        request = json.loads(line)
        if request["op"] == "exit":
            break
        try:
            answer = operations[request["op"]](request)
        except Exception as error:  # the harness reports it and stops; nothing is hidden
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answer["idle"] = idle
        ANSWERS.write(json.dumps(answer) + "\n")
        ANSWERS.flush()
        answered, used = time.perf_counter(), time.process_time()


main()
