import shutil

import pytest

from sparsefacs.errors import InputError
from sparsefacs.faces import models
from sparsefacs.faces.models import FOLDER, LANDMARKER, YUNET, find_model
from sparsefacs.files import sha256_file


@pytest.mark.parametrize("model", [LANDMARKER, YUNET], ids=lambda model: model.name)
def test_models_come_with_the_package_and_their_licences(model) -> None:
    path = find_model(model)
    assert sha256_file(path) == (model.kept_sha256 or model.sha256)
    told = (FOLDER / "LICENSES").read_text(encoding="utf-8")
    assert model.name in told and path.name in told


def test_a_damaged_or_missing_model_is_told(tmp_path, monkeypatch) -> None:
    shutil.copyfile(find_model(YUNET), tmp_path / YUNET.name)
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    assert find_model(YUNET) == tmp_path / YUNET.name
    (tmp_path / YUNET.name).write_bytes(b"something else")
    with pytest.raises(InputError, match=r"not the YuNet face detector.*Install sparsefacs again"):
        find_model(YUNET)
    with pytest.raises(InputError, match="not there"):
        find_model(LANDMARKER)
