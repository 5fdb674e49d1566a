"""A convolutional residual network of 48 blocks without normalisation on digits: three starts, three seeds.

Each start is trained by mini-batches, with the largest step size of 1/8, 1/32, 1/128 and 1/512 at which the loss ends
below twice that of a guess. Needs the extras torch and figures (for scikit-learn's digits).
"""

import math

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from thalweg.adapters.torch import PLMonitor, zas_

BLOCKS, CHANNELS, SAMPLES, BATCH, ITERATIONS, SEEDS = 48, 8, 1024, 32, 96, 3
STEP_SIZES = [2.0**-k for k in (3, 5, 7, 9)]
LIMIT = 2 * math.log(10)  # twice the loss of a guess
STARTS = {"Xavier": None, "ZAS": {}, "ZAS, scaled": {"scaling": "fixup"}}


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        return self.shortcut(x) + self.conv2(torch.relu(self.conv1(x)))


def network(start, seed):
    torch.manual_seed(seed)
    half = BLOCKS // 2
    model = nn.Sequential(
        nn.Conv2d(1, CHANNELS, 3, padding=1),
        *(Block(CHANNELS, CHANNELS) for _ in range(half)),
        Block(CHANNELS, 2 * CHANNELS, stride=2),
        *(Block(2 * CHANNELS, 2 * CHANNELS) for _ in range(half - 1)),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * CHANNELS * 16, 10),
    )
    for name, parameter in model.named_parameters():
        nn.init.zeros_(parameter) if name.endswith("bias") else nn.init.xavier_normal_(parameter)
    report = None if STARTS[start] is None else zas_(model, **STARTS[start])
    return model, report


def digits(seed):
    X, y = load_digits(return_X_y=True)
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
    X, y = torch.as_tensor(X / 8 - 1, dtype=torch.float32)[order].reshape(-1, 1, 8, 8), torch.as_tensor(y)[order]
    return X[:SAMPLES], y[:SAMPLES], X[SAMPLES:], y[SAMPLES:]


def train(model, X, y, step_size):
    """Return what the monitor says in the end, stopped early where training blows up."""
    optimizer = torch.optim.SGD(model.parameters(), lr=step_size)
    monitor = PLMonitor(model, optimizer, minibatch=True)
    for k in range(ITERATIONS):
        batch = slice(k * BATCH % SAMPLES, k * BATCH % SAMPLES + BATCH)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X[batch]), y[batch])
        loss.backward()
        monitor.step(loss)
        if not (math.isfinite(loss.item()) and (k < 10 or loss.item() < LIMIT)):
            break
        optimizer.step()
    return monitor.judgement().state


print(zas_(network("Xavier", 0)[0], scaling="fixup"), end="\n\n")
print(f"{'start':<12} {'seed':>4} {'step size':>10} {'loss':>10} {'tested':>8}   monitor")
for start in STARTS:
    for seed in range(SEEDS):
        X, y, unseen, labels = digits(seed)
        for step_size in STEP_SIZES:
            model, _ = network(start, seed)
            state = train(model, X, y, step_size)
            with torch.no_grad():
                loss = F.cross_entropy(model(X), y).item()
                right = (model(unseen).argmax(1) == labels).float().mean().item()
            if loss < LIMIT:
                break
        print(f"{start:<12} {seed:>4} {step_size:>10.3g} {loss:>10.3g} {right:>7.0%}   {state}", flush=True)
