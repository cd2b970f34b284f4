"""Weight files are read lazily and only as tensors of their own folder; written in parts."""

import os
from pathlib import Path

import pytest
import torch
from release_files import Tensors, random_tensors, write_json, write_sharded
from safetensors.torch import load_file, save_file

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.weight_files import open_file, open_weights
from spatialbot_model.modeling.weight_writer import write_weights

TENSORS = random_tensors({"a.weight": (3, 4), "b.weight": (5,), "c.norm.weight": (2, 2)})


def read(folder: Path) -> Tensors:
    return {key: stored.read() for key, stored in open_weights(folder).items()}


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("shards", [1, 2])
def test_tensors_by_name(tmp_path: Path, binary: bool, shards: int) -> None:
    write_sharded(tmp_path, TENSORS, shards, binary)
    stored = open_weights(tmp_path)
    assert {key: tensor.shape for key, tensor in stored.items()} == {
        key: tuple(tensor.shape) for key, tensor in TENSORS.items()
    }
    assert stored["b.weight"].num_bytes == 20
    for key, tensor in read(tmp_path).items():
        assert torch.equal(tensor, TENSORS[key])


def test_binary_file_of_the_oldest_layout(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=False)
    assert torch.equal(read(tmp_path)["a.weight"], TENSORS["a.weight"])


def test_safetensors_come_first(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "model.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    assert read(tmp_path)["a"].item() == 1.0


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/etc/passwd", "sub/x.safetensors", "..", "..\\x", ""]
)
def test_index_cannot_point_outside(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    write_sharded(folder, TENSORS, shards=1)
    save_file(TENSORS, tmp_path / "outside.safetensors")
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"a.weight": name}})
    with pytest.raises(CheckpointError, match="only plain names"):
        open_weights(folder)


def test_links_of_a_download_cache_are_followed(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    save_file(TENSORS, blobs / "0a1b")
    os.symlink("../blobs/0a1b", snapshot / "model.safetensors")
    assert torch.equal(read(snapshot)["b.weight"], TENSORS["b.weight"])


def test_incomplete_downloads(tmp_path: Path) -> None:
    write_sharded(tmp_path, TENSORS, shards=2)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-00002\.safetensors, which is not"):
        open_weights(tmp_path)
    save_file({"z": torch.ones(1)}, tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(CheckpointError, match=r"lists 1 tensors .* b.weight"):
        open_weights(tmp_path)


def test_tensor_in_two_shards(tmp_path: Path) -> None:
    write_sharded(tmp_path, TENSORS, shards=2)
    save_file(TENSORS, tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(CheckpointError, match="stored in both"):
        open_weights(tmp_path)


def test_truncated_files(tmp_path: Path) -> None:
    for name in ("model.safetensors", "pytorch_model.bin"):
        path = tmp_path / name
        if path.suffix == ".bin":
            torch.save(TENSORS, path)
        else:
            save_file(TENSORS, path)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(CheckpointError, match=name):
            open_file(path)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self.path), "w"))


def test_code_in_a_binary_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1), "b": Payload(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="plain tensors"):
        open_weights(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [{"a": torch.ones(1), "step": 3}, [torch.ones(1)]])
def test_binary_file_of_something_else(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"no tensors|expected named tensors"):
        open_weights(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": {}}', '{"weight_map": 3}'])
def test_broken_index(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"index\.json"):
        open_weights(tmp_path)


def test_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no weights"):
        open_weights(tmp_path)


def test_written_in_parts_of_a_size(tmp_path: Path) -> None:
    write_sharded(tmp_path / "in", TENSORS, shards=1)
    lines: list[str] = []
    (tmp_path / "out").mkdir()
    write_weights(tmp_path / "out", open_weights(tmp_path / "in"), torch.float16, lines.append, 40)
    written = sorted(path.name for path in (tmp_path / "out").glob("*.safetensors"))
    assert written == [f"model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    assert len(lines) == 2
    for key, tensor in read(tmp_path / "out").items():
        assert torch.equal(tensor, TENSORS[key].half())


def test_one_part_needs_no_index(tmp_path: Path) -> None:
    write_sharded(tmp_path / "in", TENSORS, shards=1)
    (tmp_path / "out").mkdir()
    write_weights(tmp_path / "out", open_weights(tmp_path / "in"), torch.float32, [].append)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.safetensors"]
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == TENSORS.keys()


def test_values_beyond_the_type(tmp_path: Path) -> None:
    write_sharded(tmp_path / "in", {"a": torch.tensor([1e5])}, shards=1)
    with pytest.raises(CheckpointError, match=r"not finite as torch\.float16"):
        write_weights(tmp_path, open_weights(tmp_path / "in"), torch.float16, [].append)
