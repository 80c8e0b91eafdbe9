"""`cinn-hub convert`: any of the originals' files becomes a model; any other changes nothing."""

import json
import pickle
import zipfile

import pytest
import torch
from rebuilding import NAMES, Golden, rebuilt

import cinn_hub
from cinn_hub.cards import DRAFT
from cinn_hub.cli import main

DROPPED = {
    "mnist-minimal": {"tmp_var": 43},
    "mnist-research": {"tmp_var": 51, "optimizer state": 1},
    "lsun-minimal": {"tmp_var": 41, "haar_weights": 2},
    "imagenet-research": {
        "tmp_var": 93,
        "num_batches_tracked": 30,
        "M_inv": 30,
        "logDetM": 30,
        "haar_weights": 1,
        "optimizer state": 2,
    },
}


def saved(content, path, new=False):
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path


@pytest.mark.parametrize("new", [False, True], ids=["as in 2019", "as now"])
@pytest.mark.parametrize("name", NAMES)
def test_convert(name, new, tmp_path):
    file = saved(rebuilt(name), tmp_path / "file.pt", new)
    found = cinn_hub.convert(file, tmp_path / "model")
    assert found.network == name and found.dropped == DROPPED[name]
    model = cinn_hub.load(tmp_path / "model", device="cpu")
    assert sum(p.numel() for p in model.parameters()) == found.parameters
    golden = Golden(name, model)
    z, _ = model.encode(golden.x, model.condition(golden.condition))
    assert (z.flatten() - golden.z.flatten()).abs().max() < 1e-4 * golden.z.flatten().abs().max()
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert name in card and "file.pt" in card and "1907.02392" in card and DRAFT in card


@pytest.mark.parametrize("name", NAMES)
def test_saving_loading_and_converting_again_change_no_bit(name, tmp_path):
    file = saved(rebuilt(name), tmp_path / "file.pt")
    cinn_hub.convert(file, tmp_path / "first")
    cinn_hub.convert(file, tmp_path / "second")
    cinn_hub.load(tmp_path / "first").save(tmp_path / "third", torch.float32)
    for part in ("config.json", "model.safetensors"):
        first, *others = ((tmp_path / n / part).read_bytes() for n in ("first", "second", "third"))
        assert others == [first, first]


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
    assert "lsun-minimal, 202,356 parameters -> bedrooms" in output and "41 values" in output
    assert main(["convert", "lsun.pt", "-o", "bedrooms"]) == 2
    assert "bedrooms is not empty" in capsys.readouterr().err


# ---------------------------------------------------------------- what is refused


def changed(name, change):
    file = rebuilt(name)
    change(file.get("net", file))
    return file


KEYS = {
    "mnist-minimal": "cinn.module_list.7.s2.0.weight",
    "mnist-research": "module_list.7.s2.fc2b.bias",
    "lsun-minimal": "cinn.module_list.14.s1.2.weight",
    "imagenet-research": "module.inn.module_list.34.subnet.5.running_var",
}


def check_refusal(file, folder, capsys, *parts):
    """One sentence with all these parts, and nothing new on the disk."""
    before = sorted(folder.iterdir())
    assert main(["convert", str(file), "-o", str(folder / "model")]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("cinn-hub: ") and sentence.count("\n") == 1, sentence
    assert "Traceback" not in sentence and len(sentence) < 600
    for part in parts:
        assert part in sentence
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["missing", "surplus", "shape", "nan", "whole", "sparse"])
def test_faults_of_keys(name, fault, tmp_path, capsys):
    key = KEYS[name]

    def change(net):
        if fault == "surplus":
            key_of_none = key.replace(".7.", ".999.").replace("4.s", "999.s")
            net[key_of_none + "2"] = torch.zeros(2)
            return
        value = net.pop(key)
        if fault != "missing":
            net[key] = {
                "shape": torch.cat([value, value]),
                "nan": value * torch.nan,
                "whole": value.long(),
                "sparse": value.to_sparse(),
            }[fault]

    file = saved(changed(name, change), tmp_path / "file.pt")
    part = {"missing": "lacks " + key, "surplus": "does not have"}.get(fault, f"{key}")
    check_refusal(file, tmp_path, capsys, part)


def test_other_wavelets(tmp_path, capsys):
    file = changed("lsun-minimal", lambda net: net["cinn.module_list.3.haar_weights"].neg_())
    check_refusal(saved(file, tmp_path / "a.pt"), tmp_path, capsys, "3.haar_weights")


def test_a_singular_rotation(tmp_path, capsys):
    key = "module.inn.module_list.10.M"
    file = changed("imagenet-research", lambda net: net[key].zero_())
    check_refusal(saved(file, tmp_path / "a.pt"), tmp_path, capsys, "cannot be inverted")


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
        [torch.zeros(1)],
        torch.zeros(3),
        "text",
        None,
    ],
    ids=range(13),
)
def test_files_of_others(content, tmp_path, capsys):
    for new in (False, True):
        file = saved(content, tmp_path / "file.pt", new)
        check_refusal(file, tmp_path, capsys, "file.pt", "original cINN")


@pytest.mark.parametrize("new", [False, True])
def test_truncated_files(new, tmp_path, capsys):
    whole = saved(rebuilt("mnist-minimal"), tmp_path / "whole.pt", new).read_bytes()
    file = tmp_path / "half.pt"
    for share in (0.0, 0.0001, 0.001, 0.01, 0.3, 0.7, 0.999):
        file.write_bytes(whole[: int(share * len(whole))])
        check_refusal(file, tmp_path, capsys, "half.pt")


def test_no_file(tmp_path, capsys):
    check_refusal(tmp_path / "nowhere.pt", tmp_path, capsys, "does not exist")
    check_refusal(tmp_path, tmp_path, capsys, "not an ordinary file")


class Touching:
    """A pickle of this creates a file when it is loaded."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return exec, (f"open({str(self.target)!r}, 'w').close()",)


@pytest.mark.parametrize("kind", ["plain pickle", "as in 2019", "as now"])
def test_code_in_a_pickle_does_not_run(kind, tmp_path, capsys):
    target, file = tmp_path / "ran", tmp_path / "evil.pt"
    content = {"net": rebuilt("mnist-minimal"), "opt": Touching(target)}
    if kind == "plain pickle":
        file.write_bytes(pickle.dumps(content["opt"], protocol=2))
    else:
        saved(content, file, kind == "as now")
    check_refusal(file, tmp_path, capsys, "evil.pt needs more than tensors", "exec")
    assert not target.exists()
    with pytest.raises(cinn_hub.CheckpointError):
        cinn_hub.convert(file, tmp_path / "model")
    assert not target.exists()
    unpickled(file, kind)
    assert target.exists(), "the file does not do what it is here for"


def unpickled(file, kind):
    """Loads a file of ours as nobody should load one of a stranger."""
    if kind == "plain pickle":
        pickle.loads(file.read_bytes())
    else:
        torch.load(file, weights_only=False)


def test_a_zip_of_something_else(tmp_path, capsys):
    file = tmp_path / "a.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", json.dumps({"a": 1}))
    check_refusal(file, tmp_path, capsys, "a.pt")
