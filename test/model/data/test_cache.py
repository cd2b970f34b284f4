"""The cache gives what the bag gives, or it is not used."""

import os
from pathlib import Path

import numpy as np
import pytest
import synthetic_episode as synthetic
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scripted_bag import write_bag

from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.contracts.types import CameraIntrinsics, PromptImage
from spatialbot_model.data.cache import CacheOptions, scaled_intrinsics
from spatialbot_model.data.frame_file import FrameFile, write_frame_file
from spatialbot_model.data.index_files import load_or_build_index
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.processing.images import ImageSettings, fit_pixels, square_image

SMALL = ImageSettings(24, geometry="squash")


def write(root: Path, name: str = "e", num_steps: int = 4) -> Path:
    return write_bag(root / "bags" / name, num_steps)


def cached_files(root: Path) -> list[Path]:
    return sorted((root / "cache").glob("frames/*/*.frames"))


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    st.integers(1, 40),
    st.sampled_from(["pad", "squash"]),
    st.randoms(use_true_random=False),
)
def test_shrunk_images_look_to_the_tower_as_the_recorded_ones(
    color, size, geometry, random
) -> None:
    settings = ImageSettings(size, geometry=geometry)
    depth_mm = np.random.default_rng(random.getrandbits(32)).integers(0, 65536, color.shape[:2])
    for role, pixels in (("rgb", color), ("depth", depth_mm.astype(np.uint16))):
        shrunk = fit_pixels(pixels, settings)
        np.testing.assert_array_equal(
            square_image(PromptImage(role, shrunk), settings),
            square_image(PromptImage(role, pixels), settings),
        )
        if role == "depth":
            assert set(np.unique(shrunk)) <= set(np.unique(pixels))


@pytest.mark.parametrize("settings", [None, SMALL, ImageSettings(40, geometry="pad")])
def test_cached_frames_are_the_recorded_ones(
    tmp_path: Path, settings: ImageSettings | None
) -> None:
    write(tmp_path)
    dataset = EpisodeDataset.open(
        tmp_path / "bags", cache=CacheOptions(tmp_path / "cache", settings)
    )
    uncached = dataset[2]
    assert dataset.build_cache() == 1
    cached = dataset[2]
    recorded = EpisodeDataset.open(tmp_path / "bags")[2]
    for frame, before, full in zip(cached.frames, uncached.frames, recorded.frames, strict=True):
        assert frame.stamp_ns == full.stamp_ns
        assert frame.intrinsics == before.intrinsics
        np.testing.assert_array_equal(frame.color, before.color)
        np.testing.assert_array_equal(frame.depth_mm, before.depth_mm)
        if settings is None:
            np.testing.assert_array_equal(frame.depth_mm, full.depth_mm)
        else:
            assert set(np.unique(frame.depth_mm)) <= set(np.unique(full.depth_mm))
    # read from the file, not from the bag
    (file,) = (tmp_path / "bags" / "e").glob("*.mcap")
    file.write_bytes(b"")
    np.testing.assert_array_equal(dataset[2].frames[0].color, cached.frames[0].color)


def test_building_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path, name)
    options = CacheOptions(tmp_path / "cache", SMALL)
    dataset = EpisodeDataset.open(tmp_path / "bags", cache=options)

    def interrupt(episode: int, done: bool) -> None:
        if episode == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.build_cache(on_episode=interrupt)
    built = {path: path.stat().st_ino for path in cached_files(tmp_path)}
    assert len(built) == 2
    assert EpisodeDataset.open(tmp_path / "bags", cache=options).build_cache() == 3
    assert len(cached_files(tmp_path)) == 3
    assert built.items() <= {path: path.stat().st_ino for path in cached_files(tmp_path)}.items()
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_the_cache_stays_within_its_bound(tmp_path: Path) -> None:
    old = write(tmp_path / "old", "old")
    options = CacheOptions(tmp_path / "cache", SMALL)
    EpisodeDataset.open(old, cache=options).build_cache()
    (first,) = cached_files(tmp_path)
    for name in "abc":
        write(tmp_path, name)
    bound = 2 * first.stat().st_size + 4096
    options = CacheOptions(tmp_path / "cache", SMALL, max_bytes=bound)
    dataset = EpisodeDataset.open(tmp_path / "bags", cache=options)
    assert dataset.build_cache() == 2
    assert not first.exists()
    assert sum(path.stat().st_size for path in cached_files(tmp_path)) <= bound
    # what had no room is read from its bag
    assert dataset[-1].frames[0].color.shape == (24, 24, 3)


@pytest.mark.parametrize("at", [-1, -4, 5000, 100])
def test_a_damaged_cache_is_noticed_and_not_used(
    tmp_path: Path, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    options = CacheOptions(tmp_path / "cache", SMALL)
    dataset = EpisodeDataset.open(tmp_path / "bags", cache=options)
    expected = dataset[-1]
    dataset.build_cache()
    (path,) = cached_files(tmp_path)
    data = bytearray(path.read_bytes())
    if at == 100:
        data = data[:100]
    else:
        data[at] ^= 1
    path.write_bytes(data)
    again = EpisodeDataset.open(tmp_path / "bags", cache=options)
    samples = list(again)
    assert {frame.color.shape for sample in samples for frame in sample.frames} == {(24, 24, 3)}
    np.testing.assert_array_equal(samples[-1].frames[0].color, expected.frames[0].color)
    assert "damaged" in caplog.text or "cut off" in caplog.text
    assert again.build_cache() == 1
    assert FrameFile(path).read(3)[0].shape == (24, 24, 3)


def test_a_bag_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    options = CacheOptions(tmp_path / "cache", SMALL)
    folder = write(tmp_path, num_steps=2)
    EpisodeDataset.open(folder, cache=options).build_cache()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    write(tmp_path, num_steps=5)
    dataset = EpisodeDataset.open(folder, cache=options)
    assert len(dataset) == 5
    assert not dataset._frames.is_cached(0)
    assert dataset.build_cache() == 1
    assert dataset._frames.is_cached(0)


def test_a_stored_index_is_used_until_the_bag_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path)
    first = load_or_build_index(folder, tmp_path / "cache")
    built = []

    def spy(folder: Path, history: int) -> object:
        built.append(history)
        return first

    monkeypatch.setattr("spatialbot_model.data.index_files.build_index", spy)
    second = load_or_build_index(folder, tmp_path / "cache")
    assert not built
    for name in ("frame_stamps_ns", "color_at", "depth_at", "step_frames", "bins"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for name in ("metadata", "intrinsics", "color_channel", "texts", "instructions", "sources"):
        assert getattr(first, name) == getattr(second, name)
    load_or_build_index(folder, tmp_path / "cache", history=2)
    assert built == [2]
    load_or_build_index(folder, tmp_path / "cache")
    (file,) = folder.glob("*.mcap")
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    load_or_build_index(folder, tmp_path / "cache")
    assert built == [2, 4, 4]
    (stored,) = (tmp_path / "cache" / "index").iterdir()
    stored.write_bytes(stored.read_bytes()[:-200])
    load_or_build_index(folder, tmp_path / "cache")
    assert built == [2, 4, 4, 4]
    assert "damaged" in caplog.text


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    def frames():
        yield synthetic.color_of(0), synthetic.depth_of(0)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_frame_file(tmp_path / "f.frames", "x", 2, frames())
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_cached_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="full size"):
        CacheOptions(tmp_path, ImageSettings(24, mode="release"))
    with pytest.raises(ConfigurationError, match="max_bytes"):
        CacheOptions(tmp_path, max_bytes=0)
    with pytest.raises(RecordingError, match="1 frames came where 2"):
        images = (synthetic.color_of(0), synthetic.depth_of(0))
        write_frame_file(tmp_path / "f.frames", "x", 2, [images])


def test_rays_of_a_shrunk_camera_are_those_of_the_full_one() -> None:
    full = CameraIntrinsics(640, 480, 615.0, 610.0, 318.0, 243.0)
    small = scaled_intrinsics(full, 120, 160)
    # the border between the pixels 99 and 100 lies between the small pixels 24 and 25
    np.testing.assert_allclose(
        small.deproject(24.5, 24.5, 1.0), full.deproject(99.5, 99.5, 1.0), atol=1e-12
    )
