"""`cinn-hub convert`: any of the originals' files becomes a model; any other changes nothing."""

import pickle
import zipfile

import pytest
import torch
from rebuilding import NAMES, Golden, conditioned, rebuilt

import cinn_hub
from cinn_hub.cli import main
from cinn_hub.publishing import DRAFT


def saved(content, path, new=False):
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_convert(name, tmp_path):
    file = saved(rebuilt(name), tmp_path / "file.pt", new=name == "mnist-minimal")
    found = cinn_hub.convert(file, tmp_path / "model")
    assert found.network == name
    model = cinn_hub.load(tmp_path / "model", device="cpu")
    assert sum(p.numel() for p in model.parameters()) == found.parameters
    golden = Golden(name, model)
    z, _ = model.encode(golden.x, conditioned(model, golden.condition))
    assert (z.flatten() - golden.z.flatten()).abs().max() < 1e-4 * golden.z.flatten().abs().max()
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert name in card and "file.pt" in card and "1907.02392" in card and DRAFT in card
    model.save(tmp_path / "again", torch.float32)
    for part in ("config.json", "model.safetensors"):
        first, again = ((tmp_path / folder / part).read_bytes() for folder in ("model", "again"))
        assert first == again


def test_half_precision(tmp_path):
    file = saved(rebuilt("mnist-minimal"), tmp_path / "file.pt")
    sizes = []
    for dtype in ("float32", "float16"):
        cinn_hub.convert(file, tmp_path / dtype, dtype)
        sizes.append((tmp_path / dtype / "model.safetensors").stat().st_size)
        assert cinn_hub.load(tmp_path / dtype).sample(3, seed=1).shape == (1, 1, 28, 28)
    assert sizes[1] < 0.6 * sizes[0]


def test_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    saved(rebuilt("lsun-minimal"), "lsun.pt")
    assert main(["convert", "lsun.pt", "-o", "bedrooms"]) == 0
    output = capsys.readouterr().out
    assert "lsun-minimal, 202,356 parameters -> bedrooms" in output
    assert main(["convert", "lsun.pt", "-o", "bedrooms"]) == 2
    assert "bedrooms is not empty" in capsys.readouterr().err


# ---------------------------------------------------------------- what is refused


@pytest.fixture
def refused(tmp_path, capsys):
    """Asserts that a file is refused in one sentence with a part, and nothing new on the disk."""

    def check(file, part):
        before = sorted(tmp_path.iterdir())
        assert main(["convert", str(file), "-o", str(tmp_path / "model")]) == 2
        sentence = capsys.readouterr().err
        assert sentence.startswith("cinn-hub: ") and sentence.count("\n") == 1, sentence
        assert "Traceback" not in sentence and len(sentence) < 600 and part in sentence, sentence
        assert sorted(tmp_path.iterdir()) == before

    return check


KEY = "module_list.7.s2.fc2b.bias"
FAULTS = {
    "missing": (lambda net: net.pop(KEY), f"lacks {KEY}"),
    "surplus": (lambda net: net.update({KEY + "2": torch.zeros(2)}), "does not have"),
    "shape": (lambda net: net.update({KEY: torch.zeros(99)}), f"has {KEY} as"),
    "whole": (lambda net: net.update({KEY: net[KEY].long()}), f"has {KEY} as torch.int64"),
    "sparse": (lambda net: net.update({KEY: net[KEY].to_sparse()}), f"has {KEY} as"),
    "NaN": (lambda net: net[KEY].fill_(torch.nan), f"has NaN or infinity in {KEY}"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_tensors(fault, tmp_path, refused):
    file = rebuilt("mnist-research")
    change, part = FAULTS[fault]
    change(file["net"])
    refused(saved(file, tmp_path / "file.pt"), part)


def test_a_singular_rotation(tmp_path, refused):
    file = rebuilt("imagenet-research")
    file["net"]["module.inn.module_list.10.M"].zero_()
    refused(saved(file, tmp_path / "a.pt"), "cannot be inverted")


@pytest.mark.parametrize(
    "content",
    [
        {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(10)},  # of somebody else
        {"state_dict": {"a": torch.zeros(1)}, "epoch": 3},
        {},
        {"net": {}},
        {"net": {"module_list.3.s1.fc1.weight": torch.zeros(1)}, "epoch": 3},
        {"module_list.3.s1.fc1.weight": torch.tensor(1.0)},
        {"module_list.3.s1.fc1.weight": torch.zeros(1, 1).expand(10**6, 402)},
        {3: torch.zeros(1)},
        {"net": 3},
        torch.zeros(3),
        None,
    ],
    ids=range(11),
)
def test_files_of_others(content, tmp_path, refused):
    refused(saved(content, tmp_path / "file.pt"), "original cINN")


@pytest.mark.parametrize("new", [False, True])
def test_truncated_files(new, tmp_path, refused):
    whole = saved(rebuilt("mnist-minimal"), tmp_path / "whole.pt", new).read_bytes()
    file = tmp_path / "half.pt"
    for share in (0.0, 0.001, 0.3, 0.999):
        file.write_bytes(whole[: int(share * len(whole))])
        refused(file, "half.pt")


def test_what_is_no_file_of_torch(tmp_path, refused):
    refused(tmp_path / "nowhere.pt", "does not exist")
    refused(tmp_path, "not an ordinary file")
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("readme.txt", "text")
    refused(tmp_path / "a.pt", "a.pt is damaged")


class Touching:
    """A pickle of this creates a file when it is loaded."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return exec, (f"open({str(self.target)!r}, 'w').close()",)


@pytest.mark.parametrize("kind", ["plain pickle", "as in 2019", "as now"])
def test_code_in_a_pickle_does_not_run(kind, tmp_path, refused):
    target, file = tmp_path / "ran", tmp_path / "evil.pt"
    content = {"net": rebuilt("mnist-minimal"), "opt": Touching(target)}
    if kind == "plain pickle":
        file.write_bytes(pickle.dumps(content["opt"], protocol=2))
    else:
        saved(content, file, kind == "as now")
    refused(file, "evil.pt needs more than tensors (")
    assert not target.exists()
    if kind == "plain pickle":
        pickle.loads(file.read_bytes())
    else:
        torch.load(file, weights_only=False)
    assert target.exists(), "the file does not do what it is here for"
