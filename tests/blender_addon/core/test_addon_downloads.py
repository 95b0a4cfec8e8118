# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preferences say an installation downloads, from the record and the lock of the repository."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from blender_addon.core import downloads, environment
from blender_addon.core.environment import Bundle
from tests.blender_addon.tiny_wheels import write_bundle

ROOT = Path(__file__).resolve().parents[3]
LINUX: dict[str, Any] = {"system": "linux", "processor": "x86_64"}
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A tiny wheel with the repository's own lock and sizes."""
    write_bundle(tmp_path)
    for name in ("requirements.lock", downloads.RECORD_NAME):
        shutil.copyfile(ROOT / name, tmp_path / environment.BUNDLE_NAME / name)
    found = environment.find_bundle(tmp_path)
    assert found is not None
    return found


def test_packages_versions_and_sizes_are_told_for_each_kind_of_machine(bundle):
    cuda = downloads.of_bundle(bundle, "", **LINUX)
    processor = downloads.of_bundle(bundle, CPU_INDEX, **LINUX)
    windows = downloads.of_bundle(bundle, "", system="win32", processor="AMD64")
    mac = downloads.of_bundle(bundle, "", system="darwin", processor="arm64")
    names = {package.name for package in cuda.packages}
    assert {"torch", "nvidia-cublas", "triton", "fastapi"} <= names
    assert cuda.large[0].name == "torch" and cuda.large[0].version == "2.13.0"
    assert not any("nvidia" in package.name for package in processor.packages)
    assert "colorama" in {package.name for package in windows.packages}
    assert cuda.download_bytes == sum(package.download_bytes for package in cuda.packages)
    assert cuda.download_bytes > 5 * processor.download_bytes > 0
    for told in (cuda, processor, windows, mac):
        assert len(told.recorded) == 10  # a day
        assert {*told.large, *told.small} == set(told.packages)
        assert told.needed_bytes == told.disk_bytes + told.download_bytes > 2 * told.download_bytes
    assert cuda.needed_bytes < 9 * downloads.GB and processor.needed_bytes < 2 * downloads.GB


@pytest.mark.parametrize(
    ("index", "machine", "needed_gb"),
    [
        ("", {"system": "linux", "processor": "aarch64"}, 8),
        ("", {"system": "darwin", "processor": "x86_64"}, 3),
        ("https://download.pytorch.org/whl/cu126", {"system": "win32", "processor": "AMD64"}, 8),
    ],
)
def test_where_no_size_is_recorded_the_locks_versions_and_a_round_figure_are_told(
    bundle, index, machine, needed_gb
):
    if machine["system"] == "win32":  # as where PyTorch's own index was out of reach
        record = bundle.lock.with_name(downloads.RECORD_NAME)
        record.write_text('{"recorded": "2026-11-28", "machines": {"macos": [["torch", "1", 1, 1]]}}')
    told = downloads.of_bundle(bundle, index, **machine)
    assert told.recorded == "" and told.needed_bytes == needed_gb * downloads.GB
    assert ("torch", "2.13.0") in [(package.name, package.version) for package in told.packages]


def test_a_broken_record_hides_no_package(bundle):
    bundle.lock.with_name(downloads.RECORD_NAME).write_text("{")
    told = downloads.of_bundle(bundle, "", **LINUX)
    assert told.recorded == "" and len(told.packages) > 40


def test_the_chosen_device_names_pytorchs_index_only_where_pypi_has_another_torch():
    assert downloads.torch_index("cpu", "linux") == CPU_INDEX
    assert downloads.torch_index("cuda", "win32").endswith("/cu130")
    assert downloads.torch_index("cuda:1", "win32").endswith("/cu130")
    for device, system in (("auto", "linux"), ("cuda", "linux"), ("cpu", "win32"), ("mps", "darwin")):
        assert downloads.torch_index(device, system) == ""


def test_sizes_are_told_in_the_unit_people_count_in():
    told = [downloads.size_text(size) for size in (2_870_000_000, 330_400_000, 412_000)]
    assert told == ["2.9 GB", "330 MB", "0.4 MB"]
