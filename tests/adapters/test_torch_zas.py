"""zas_ on modules as people write them: what they compute afterwards, how they train, and what is refused."""

import copy
from importlib.util import find_spec

import pytest

if find_spec("torch") is None:
    pytest.skip("PyTorch is not installed: it is the extra 'torch'", allow_module_level=True)

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch_models import BasicBlock, Block, Bottleneck, Encoder, Lambda, Language, ResNet, Stack

import thalweg as tw
from thalweg.adapters.torch import zas_

torch.set_num_threads(1)


def images(n=4):
    return torch.randn(n, 3, 12, 12)


def words(n=4):
    return torch.randint(0, 7, (n, 10))


# Network, inputs, number of branches, a layer that must have been zeroed.
REAL = {
    "residual MLP": (lambda: Stack([Block(6) for _ in range(5)], 6), lambda: torch.randn(4, 5), 5, "blocks.4.fc2"),
    "GELU": (lambda: Stack([Block(6, F.gelu) for _ in range(3)], 6), lambda: torch.randn(4, 5), 3, "blocks.0.fc2"),
    "torchvision, basic": (lambda: ResNet(BasicBlock), images, 4, "layer2.0.bn2"),
    "torchvision, bottleneck": (lambda: ResNet(Bottleneck), images, 4, "layer2.1.bn3"),
    "transformer by hand": (Language, words, 6, "blocks.2.attn.proj"),
    "transformer layers": (Encoder, lambda: torch.randn(4, 3, 5), 6, "encoder.layers.1.self_attn.out_proj"),
}


def made(name, seed=0):
    """Return a network with all parameters and statistics at random, and inputs."""
    torch.manual_seed(seed)
    make, draw, _, _ = REAL[name]
    model = make()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for buffer_name, buffer in model.named_buffers():
            if "running" in buffer_name:
                buffer.add_(torch.rand_like(buffer))
    return model, draw()


@pytest.mark.parametrize("name", REAL)
def test_branches_are_zero_and_nothing_else_is_changed(name):
    model, x = made(name)
    before = copy.deepcopy(model.state_dict())
    report = zas_(model, head=False)
    assert report.branches == REAL[name][2]
    assert REAL[name][3] in [change.name for change in report.zeroed]
    model.eval()
    torch.testing.assert_close(model(x), model.skip(x), rtol=1e-5, atol=1e-6)
    zeroed = {f"{change.name}.{part}" for change in report.zeroed for part in change.what.split(", ")}
    for key, value in model.state_dict().items():
        assert torch.equal(value, torch.zeros_like(value) if key in zeroed else before[key]), key
    assert set(report.to_dict()) == {"branches", "head", "zeroed", "scaled", "left"}


@pytest.mark.parametrize("name", REAL)
def test_the_head_is_zero_and_gradients_move_it_then_the_branches(name):
    model, x = made(name)
    model.train()
    report = zas_(model)
    assert report.head is not None
    y = torch.randn_like(model(x))
    assert not model(x).any()
    zeroed = {change.name: model.get_submodule(change.name).weight for change in report.zeroed}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for k in range(3):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        if k == 0:
            assert zeroed[report.head].grad.any()
            assert not any(w.grad.any() for name, w in zeroed.items() if name != report.head)
        if k == 1:
            assert all(w.grad.any() for w in zeroed.values())
        optimizer.step()
    assert all(w.any() for w in zeroed.values())
    assert losses[1] < losses[0]


@pytest.mark.parametrize("name", REAL)
def test_a_second_call_changes_nothing(name):
    model, _ = made(name)
    first = zas_(model, scaling="fixup")
    state = copy.deepcopy(model.state_dict())
    again = copy.deepcopy(model)
    assert zas_(model, scaling="fixup").to_dict() == first.to_dict()
    zas_(again, scaling="fixup")
    for key, value in state.items():
        assert torch.equal(value, model.state_dict()[key])
        assert torch.equal(value, again.state_dict()[key])


def test_weights_drawn_anew_are_scaled_anew():
    model = Stack([Block(4) for _ in range(4)], 4)
    zas_(model, scaling="fixup")
    with torch.no_grad():
        model.blocks[0].fc1.weight.fill_(1.0)
    zas_(model, scaling="fixup")
    torch.testing.assert_close(model.blocks[0].fc1.weight, torch.full((4, 4), 0.5))  # 4^(-1/2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_type_and_training_mode_stay(dtype):
    model = Stack([Block(4) for _ in range(4)], 4).to(dtype)
    model.blocks[1].eval()
    modes = [each.training for each in model.modules()]
    zas_(model, scaling="fixup")
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert all(p.requires_grad for p in model.parameters())
    assert [each.training for each in model.modules()] == modes


def test_fixup_scales_by_the_number_of_branches_and_of_layers():
    """L^(-1/(2m - 2)) of Fixup: 16 branches, of 1, 2 and 3 layers."""
    torch.manual_seed(0)
    forwards = [
        lambda s, x: x + s.a(x),
        *([lambda s, x: x + s.b(torch.relu(s.a(x)))] * 14),
        lambda s, x: x + s.c(torch.relu(s.b(torch.relu(s.a(x))))),
    ]
    model = Stack([Lambda(forward) for forward in forwards], 4)
    before = copy.deepcopy(model)
    report = zas_(model, scaling="fixup")
    assert report.branches == 16
    ratio = {
        name: (new.norm() / old.norm()).item()
        for (name, new), old in zip(model.named_parameters(), before.parameters(), strict=True)
    }
    assert ratio["blocks.0.a.weight"] == 0
    assert ratio["blocks.7.a.weight"] == pytest.approx(16**-0.5)
    assert ratio["blocks.15.a.weight"] == ratio["blocks.15.b.weight"] == pytest.approx(16**-0.25)
    assert ratio["blocks.15.c.weight"] == ratio["head.weight"] == 0
    assert ratio["stem.weight"] == ratio["blocks.7.a.bias"] == 1


PIECES = {
    "plain": lambda s, x: x + s.b(torch.relu(s.a(x))),
    "the other way round": lambda s, x: s.b(torch.relu(s.a(x))).add(x),
    "in place": lambda s, x: s.a(x).add_(x),
    "pre-norm": lambda s, x: x + s.b(torch.tanh(s.a(s.norm(x)))),
    "a factor": lambda s, x: x + 0.5 * s.a(x),
    "a layer scale": lambda s, x: x + s.one * s.a(torch.relu(x)),
    "a norm last": lambda s, x: x + s.norm(s.a(x)),
    "alpha": lambda s, x: torch.add(x, s.a(x), alpha=0.1),
    "two branches side by side": lambda s, x: x + s.a(s.norm(x)) + s.c(torch.relu(s.b(x))),
    "a branch within a branch": lambda s, x: x + (lambda y: y + s.b(y))(s.a(x)),
    "joined": lambda s, x: x + torch.cat([s.a(x), s.b(x)], -1)[..., :4],
    "no branch": lambda s, x: x * 1.0,
}


@given(kinds=st.lists(st.sampled_from(sorted(PIECES)), min_size=1, max_size=6), seed=st.integers(0, 99))
@settings(max_examples=40, derandomize=True, deadline=None)
def test_any_stack_of_blocks_computes_its_skip_path(kinds, seed):
    torch.manual_seed(seed)
    model = Stack([Lambda(PIECES[kind]) for kind in [*kinds, "plain"]], 4)
    zas_(model, head=False, scaling="fixup")
    x = torch.randn(3, 5)
    assert torch.equal(model(x), model.skip(x))


def test_a_projection_on_the_skip_path_stays():
    torch.manual_seed(0)
    model = Stack([Lambda(lambda s, x: s.c(x) + s.b(torch.relu(s.a(x))))], 4)
    zas_(model, head=False)
    x = torch.randn(3, 5)
    torch.testing.assert_close(model(x), model.head(model.blocks[0].c(model.stem(x))))


def test_a_block_applied_many_times_is_zeroed_once_and_scaled_once():
    torch.manual_seed(0)
    block = Block(4)
    model, before = Stack([block, block, block, block], 4), block.fc1.weight.clone()
    report = zas_(model, scaling="fixup", head=False)
    assert report.branches == 4
    torch.testing.assert_close(block.fc1.weight, before / 2)  # 4^(-1/2)
    x = torch.randn(3, 5)
    assert torch.equal(model(x), model.skip(x))


class Masked(nn.Module):
    """A block with an argument that people leave out."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x, mask=None, scale=1.0):
        y = self.fc2(torch.relu(self.fc1(x)))
        if mask is not None:
            y = y * mask
        return x + y * scale


def test_arguments_that_may_be_left_out_are():
    assert zas_(Masked()).branches == zas_(Stack([Masked()], 4)).branches == 1


class OwnLayer(nn.TransformerEncoderLayer):
    """With a name of its own, and nothing else."""


@pytest.mark.parametrize(
    ("module", "branches"),
    [
        (nn.TransformerDecoderLayer(8, 2, 16, norm_first=True), 3),
        (OwnLayer(8, 2, 16, norm_first=True), 2),
        (nn.Sequential(OwnLayer(8, 2, 16, norm_first=True), Block(8)), 3),
        (nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, norm_first=True), 2), 6),
    ],
)
def test_no_branch_is_counted_twice(module, branches):
    assert zas_(module).branches == branches


def test_a_network_without_a_head_ends_in_its_residual_stream():
    model = nn.Sequential(Block(4), Block(4))
    report = zas_(model)
    assert report.head is None
    assert "the output is the residual stream" in str(report)
    x = torch.randn(3, 4)
    assert torch.equal(model(x), x)


def train(model, x, y, lr, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    return losses


def test_depth_two_hundred_trains_from_zas_and_not_from_xavier():
    def deep():
        torch.manual_seed(0)
        model = Stack([Block(16) for _ in range(200)], 16, inputs=8, outputs=3)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_normal_(parameter)
        return model

    torch.manual_seed(1)
    x = torch.randn(64, 8)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    xavier = train(deep(), x, y, 0.1, 20)
    assert not min(xavier) < 1.0986  # log 3, a guess
    model = deep()
    zas_(model, scaling="fixup")
    zas = train(model, x, y, 0.1, 20)
    assert zas[0] == pytest.approx(1.0986, abs=1e-4)
    assert zas[-1] < 0.75


REFUSED = {
    "no residual branch": (lambda s, x: s.b(torch.relu(s.a(x))), "none is recognised"),
    "ReLU last": (lambda s, x: x + torch.relu(s.a(x)), "followed by a ReLU"),
    "ReLU module last": (lambda s, x: x + s.relu(s.a(x)), "followed by a ReLU"),
    "a gate at zero": (lambda s, x: x + s.zero * s.a(x), "zero already"),
    "a norm without a gain": (lambda s, x: x + s.plain(s.a(x)), "without a gain"),
    "a gate": (lambda s, x: x + s.a(x) * torch.sigmoid(s.b(x)), "'mul'"),
    "a quotient": (lambda s, x: x + 1 / s.a(x), "'truediv'"),
    "a constant": (lambda s, x: x + (s.a(x) + 1), "'add'"),
    "weights without a module": (lambda s, x: x + F.linear(x, s.a.weight), "known kind"),
    "a recurrent layer": (lambda s, x: x + s.lstm(x)[0], "known kind"),
    "used twice in a branch": (lambda s, x: x + s.a(torch.tanh(s.a(x))), "a is the last layer .* used elsewhere"),
    "used on the skip path too": (lambda s, x: s.b(x + s.a(x)) + s.a(x), "used elsewhere"),
    "a skip over a skip": (lambda s, x: x + (lambda y: y + s.b(y))(x + s.a(x)), "no layer"),
    "control flow": (lambda s, x: x + s.a(x) if x.sum() > 0 else x, "cannot be traced"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_recognised_is_refused_with_the_remedy(name):
    forward, words = REFUSED[name]
    model = Lambda(forward)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(tw.InputError, match=words) as refused:
        zas_(model)
    assert "branches=[" in str(refused.value)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())


def test_an_opaque_block_beside_known_ones_is_refused():
    model = nn.Sequential(Block(4), Lambda(REFUSED["control flow"][0]))
    with pytest.raises(tw.InputError, match="'1' \\(Lambda\\) cannot be traced"):
        zas_(model)


def test_parts_of_what_cannot_be_traced_are_looked_into():
    torch.manual_seed(0)
    model = Language(guard=True)
    with pytest.raises(tw.InputError, match="'head'"):
        zas_(model)
    report = zas_(model, head="head")
    assert report.branches == 6
    assert "cannot be traced" in str(report)
    assert not model(words()).any()


def test_named_branches():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), Lambda(REFUSED["control flow"][0]), nn.Linear(4, 2))
    report = zas_(model, branches=["1.a"], head="2")
    assert [change.name for change in report.zeroed] == ["1.a", "2"]
    assert not model[1].a.weight.any()
    scaled = Stack([Block(4) for _ in range(4)], 4)
    before = scaled.blocks[2].fc1.weight.clone()
    named = {f"blocks.{k}.fc2": [f"blocks.{k}.fc1"] for k in range(4)}
    assert zas_(scaled, branches=named, scaling="fixup").head == "head"
    torch.testing.assert_close(scaled.blocks[2].fc1.weight, before / 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"branches": ["blocks.0.fc3"]}, "such as blocks.0.fc"),
        ({"branches": "blocks.0.fc2"}, "sequence of names"),
        ({"branches": [3]}, "Got 3"),
        ({"branches": []}, "none is recognised"),
        ({"branches": ["blocks.0"]}, "have a weight"),
        ({"branches": ["blocks.0.fc2"], "scaling": "fixup"}, "a dict"),
        ({"branches": {"blocks.0.fc2": ["blocks.0.fc2"]}, "scaling": "fixup"}, "one way only"),
        ({"scaling": "xavier"}, "'xavier'"),
        ({"head": True}, "head"),
        ({"head": "stern"}, "stem"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(tw.InputError, match=words):
        zas_(Stack([Block(4), Block(4)], 4), **arguments)


def test_bad_modules():
    with pytest.raises(tw.InputError, match=r"nn\.Module"):
        zas_([1, 2])  # type: ignore[arg-type]
    with pytest.raises(tw.InputError, match=r"as tokens\.weight"):
        zas_(Language(tied=True))
    frozen = Stack([Block(4)], 4)
    frozen.blocks[0].fc2.weight.requires_grad_(False)
    with pytest.raises(tw.InputError, match="requires_grad_"):
        zas_(frozen)
    normed = Stack([Block(4)], 4)
    nn.utils.parametrizations.weight_norm(normed.blocks[0].fc2)
    with pytest.raises(tw.InputError, match="parametrizations"):
        zas_(normed)
    with torch.device("meta"):
        nowhere = Stack([Block(4)], 4)
    with pytest.raises(tw.InputError, match="initialised"):
        zas_(nowhere)


def test_the_report_in_a_notebook_escapes_names():
    report = zas_(Stack([Block(4) for _ in range(12)], 4))
    html = report._repr_html_()
    assert "<table>" in html
    assert "blocks.0.fc2 ... blocks.11.fc2 (12 in all)" in html
    assert repr(report) == "ZASReport(branches=12, head='head', scaled=0)"
