"""Residual networks as people write them, each with what it computes if every branch is 0."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """x + fc2(act(fc1(x)))."""

    def __init__(self, width, activation=torch.relu):
        super().__init__()
        self.fc1, self.fc2, self.activation = nn.Linear(width, width), nn.Linear(width, width), activation

    def forward(self, x):
        return x + self.fc2(self.activation(self.fc1(x)))


class Lambda(nn.Module):
    """Any forward on the parts a, b, c (layers), norm, plain (a norm without a gain), relu, one and zero (gates)."""

    def __init__(self, forward, width=4):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(width, width) for _ in range(3))
        self.norm, self.plain = nn.LayerNorm(width), nn.LayerNorm(width, elementwise_affine=False)
        self.relu, self.lstm = nn.ReLU(), nn.LSTM(width, width)
        self.one, self.zero = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.function = forward

    def forward(self, x):
        return self.function(self, x)


class BasicBlock(nn.Module):
    """That of torchvision."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    """That of torchvision."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        width = outputs // 4
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """A small one in the manner of torchvision."""

    def __init__(self, block):
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(2)
        self.layer1 = nn.Sequential(block(8, 8), block(8, 8))
        self.layer2 = nn.Sequential(block(8, 16, 2), block(16, 16))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 5)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))

    def skip(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for block in (*self.layer1, *self.layer2):
            x = torch.relu(x if block.downsample is None else block.downsample(x))
        return self.fc(x.mean(dim=(2, 3)))


class Attention(nn.Module):
    """Causal attention with a mask cut to the length of the input."""

    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.proj, self.dropout = nn.Linear(width, 3 * width), nn.Linear(width, width), nn.Dropout(0.1)
        self.width, self.heads = width, heads
        self.register_buffer("mask", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.qkv(x).split(self.width, dim=2)
        q, k, v = (part.view(B, T, self.heads, C // self.heads).transpose(1, 2) for part in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        y = (F.softmax(scores, dim=-1) @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.dropout(self.proj(y))


class PreNorm(nn.Module):
    """x + attn(ln(x)), then x + mlp(ln(x))."""

    def __init__(self, width):
        super().__init__()
        self.ln1, self.attn, self.ln2 = nn.LayerNorm(width), Attention(width, 2), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.1))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Language(nn.Module):
    """A decoder-only transformer; with `guard` its forward cannot be traced."""

    def __init__(self, guard=False, tied=False):
        super().__init__()
        self.tokens, self.places = nn.Embedding(7, 8), nn.Embedding(16, 8)
        self.blocks = nn.ModuleList(PreNorm(8) for _ in range(3))
        self.norm, self.head, self.guard = nn.LayerNorm(8), nn.Linear(8, 7, bias=False), guard
        if tied:
            self.head.weight = self.tokens.weight

    def embed(self, words):
        return self.tokens(words) + self.places(torch.arange(words.size(1)))

    def forward(self, words):
        if self.guard and words.size(1) > 16:
            raise ValueError("too long")
        x = self.embed(words)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def skip(self, words):
        return self.head(self.norm(self.embed(words)))


class Encoder(nn.Module):
    """The transformer layers of PyTorch."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, batch_first=True)
        self.stem, self.encoder = nn.Linear(5, 8), nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.encoder(self.stem(x)).mean(dim=1))

    def skip(self, x):
        return self.head(self.stem(x).mean(dim=1))


class Stack(nn.Module):
    """A stem, blocks and a head."""

    def __init__(self, blocks, width, inputs=5, outputs=2):
        super().__init__()
        self.stem, self.blocks, self.head = nn.Linear(inputs, width), nn.Sequential(*blocks), nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))

    def skip(self, x):
        return self.head(self.stem(x))
