import sys

import pytest

from sparsefacs.errors import InputError
from sparsefacs.faces.models import LANDMARKER, YUNET, find_model
from sparsefacs.files import sha256_file


@pytest.mark.parametrize("model", [LANDMARKER, YUNET], ids=lambda model: model.name)
def test_models_are_found_without_importing_their_packages(model) -> None:
    path = find_model(model)
    assert sha256_file(path) == model.sha256
    assert model.package not in sys.modules


def test_a_named_file_is_checked_by_hash(tmp_path, monkeypatch) -> None:
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"something else")
    with pytest.raises(InputError, match="not the YuNet face detector"):
        find_model(YUNET, wrong)
    monkeypatch.setenv(YUNET.variable, str(tmp_path / "missing.onnx"))
    with pytest.raises(InputError, match="not there"):
        find_model(YUNET)


def test_the_cache_comes_before_packages_and_a_damaged_copy_is_passed_over(tmp_path, monkeypatch) -> None:
    real = find_model(YUNET)
    monkeypatch.setenv("SPARSEFACS_CACHE", str(tmp_path))
    cached = tmp_path / YUNET.name
    cached.write_bytes(real.read_bytes())
    assert find_model(YUNET) == cached
    cached.write_bytes(b"damaged")
    assert find_model(YUNET) == real


def test_offline_says_what_to_do(tmp_path, monkeypatch) -> None:
    from dataclasses import replace

    monkeypatch.setenv("SPARSEFACS_CACHE", str(tmp_path / "cache"))
    nowhere = replace(YUNET, package="no_such_package_here", url="http://127.0.0.1:9/model.onnx")
    with pytest.raises(InputError, match=r"cannot be downloaded.*SPARSEFACS_YUNET"):
        find_model(nowhere)


def test_a_download_is_kept_and_checked(tmp_path, monkeypatch) -> None:
    from dataclasses import replace

    real = find_model(YUNET)
    monkeypatch.setenv("SPARSEFACS_CACHE", str(tmp_path / "cache"))
    served = replace(YUNET, package="no_such_package_here", url=real.as_uri())
    assert find_model(served) == tmp_path / "cache" / YUNET.name
    other = tmp_path / "other.onnx"
    other.write_bytes(b"not it")
    tampered = replace(served, name="new.onnx", url=other.as_uri())
    with pytest.raises(InputError, match="the download is not"):
        find_model(tampered)
    assert not (tmp_path / "cache" / "new.onnx").exists()
