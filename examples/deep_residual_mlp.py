"""A residual network of 200 blocks without normalisation on handwritten digits: three starts, three seeds.

Each start is trained with the largest step size of 1/4, 1/8, 1/16, ... at which the loss ends below twice
that of a guess. Needs the extras torch and figures (for scikit-learn's digits).
"""

import math

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from thalweg.adapters.torch import PLMonitor, zas_

DEPTH, WIDTH, SAMPLES, ITERATIONS, SEEDS = 200, 32, 512, 60, 3
STEP_SIZES = [2.0**-k for k in range(2, 10)]
LIMIT = 2 * math.log(10)  # twice the loss of a guess
STARTS = {"Xavier": None, "ZAS": {}, "ZAS, scaled": {"scaling": "fixup"}}


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.fc2(torch.relu(self.fc1(x)))


def network(start, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, WIDTH), *(Block(WIDTH) for _ in range(DEPTH)), nn.Linear(WIDTH, 10))
    for name, parameter in model.named_parameters():
        nn.init.zeros_(parameter) if name.endswith("bias") else nn.init.xavier_normal_(parameter)
    report = None if STARTS[start] is None else zas_(model, **STARTS[start])
    return model, report


def digits(seed):
    X, y = load_digits(return_X_y=True)
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
    X, y = torch.as_tensor(X, dtype=torch.float32)[order], torch.as_tensor(y)[order]
    X = (X - X[:SAMPLES].mean(0)) / X[:SAMPLES].std(0).clamp(min=1e-6)
    X = X.clamp(-5, 5)  # pixels that are almost never inked
    return X[:SAMPLES], y[:SAMPLES], X[SAMPLES:], y[SAMPLES:]


def train(model, X, y, step_size):
    """Return the loss at the end and what the monitor says, stopped early where training blows up."""
    optimizer = torch.optim.SGD(model.parameters(), lr=step_size)
    monitor = PLMonitor(model, optimizer)
    for k in range(ITERATIONS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        monitor.step(loss)
        if not (math.isfinite(loss.item()) and (k < 10 or loss.item() < LIMIT)):
            break
        optimizer.step()
    return F.cross_entropy(model(X), y).item(), monitor.judgement().state


print(zas_(network("Xavier", 0)[0], scaling="fixup"), end="\n\n")
print(f"{'start':<12} {'seed':>4} {'step size':>10} {'loss':>10} {'tested':>8}   monitor")
for start in STARTS:
    for seed in range(SEEDS):
        X, y, unseen, labels = digits(seed)
        for step_size in STEP_SIZES:
            model, _ = network(start, seed)
            loss, state = train(model, X, y, step_size)
            if loss < LIMIT:
                break
        right = (model(unseen).argmax(1) == labels).float().mean().item()
        print(f"{start:<12} {seed:>4} {step_size:>10.3g} {loss:>10.3g} {right:>7.0%}   {state}", flush=True)
