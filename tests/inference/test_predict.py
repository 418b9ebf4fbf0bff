import shutil

import numpy as np
import pandas as pd
import pytest

from made_runs import write_run
from pixel_coders import PixelCoder
from sparsefacs import api
from sparsefacs.errors import InputError
from sparsefacs.inference.pipeline import predict


def test_video_has_a_row_a_frame_and_marks_lost_frames(coder, clips, tmp_path):
    summary = predict(coder, [clips / "face.mp4"], tmp_path / "c.csv")
    table = pd.read_csv(tmp_path / "c.csv")
    assert table["frame"].tolist() == list(range(1, 12))
    assert table["success"].tolist() == [0] * 2 + [1] * 6 + [0] * 3
    assert set(table["face_id"]) == {0} and set(table["input"]) == {(clips / "face.mp4").as_posix()}
    assert table["timestamp"].to_numpy() == pytest.approx(np.arange(11) / 25)
    coded = table[table["success"] == 1]
    assert coded["AU12_p"].between(0, 1).all() and coded["AU12_p"].std() > 0
    assert (coded["AU12_c"] == (coded["AU12_p"] >= coder.limits[1])).all()
    assert table[table["success"] == 0].filter(regex="^AU|face_x|conf").isna().all(axis=None)
    assert (summary.frames, summary.rows, summary.messages()) == (11, 11, [])
    assert (summary.inputs[0].coded_rows, summary.inputs[0].lost_rows, summary.inputs[0].faces) == (6, 5, 1)


def test_a_run_s_codes_count_from_its_limits(clips, tmp_path):
    run = write_run(tmp_path / "run", {"backbone": "test_resnet", "input_size": 32})
    middle = np.median(_probabilities(api.predict([clips / "face.mp4"], tmp_path / "half.csv", run).out), axis=0)
    limits = (float(middle[0]), 0.99, 0.01)
    write_run(tmp_path / "own", {"backbone": "test_resnet", "input_size": 32}, limits=limits)
    out = api.predict([clips / "face.mp4"], tmp_path / "own.csv", tmp_path / "own").out
    table = pd.read_csv(out)
    coded = table[table["success"] == 1]
    assert 0 < coded["AU01_c"].sum() < len(coded) and coded["AU04_c"].sum() == 0 and coded["AU12_c"].all()
    said = _probabilities(out) >= limits
    away = np.abs(_probabilities(out) - limits) > 1e-5  # a table's probabilities are rounded
    assert (said == coded[["AU01_c", "AU04_c", "AU12_c"]].to_numpy().astype(bool))[away].all()


def _probabilities(out):
    table = pd.read_csv(out)
    return table[table["success"] == 1][["AU01_p", "AU04_p", "AU12_p"]].to_numpy()


def test_photo_has_a_row_without_time(coder, clips, tmp_path):
    predict(coder, [clips / "photo.png"], tmp_path / "c.parquet")
    table = pd.read_parquet(tmp_path / "c.parquet")
    assert len(table) == 1 and table["frame"].item() == 1 and table["timestamp"].isna().all()


def test_folder_with_damaged_files_codes_the_rest_and_lists_them(coder, clips, tmp_path):
    summary = predict(coder, [clips], tmp_path / "c.csv")
    table = pd.read_csv(tmp_path / "c.csv")
    assert table.columns[0] == "input"
    assert [name.rsplit("/", 1)[1] for name in table["input"].unique()] == ["face.mp4", "photo.png"]
    assert table.groupby("input").size().tolist() == [11, 1]
    assert [name.rsplit("/", 1)[1] for name, _ in summary.rejected] == ["broken.mp4", "zero.jpg"]
    messages = "\n".join(summary.messages())
    assert "broken.mp4" in messages and "zero.jpg: is empty" in messages
    assert "empty.mp4: no face was found in any of its 5 frames, so it has no rows" in messages
    assert summary.as_json()["rows"] == 12


def test_video_without_a_face_leaves_a_header_and_says_so(coder, clips, tmp_path):
    summary = predict(coder, [clips / "empty.mp4"], tmp_path / "c.csv", plot=tmp_path / "p.png")
    assert len(pd.read_csv(tmp_path / "c.csv")) == 0 and summary.rows == 0
    assert "no face was found" in summary.messages()[0]
    assert not (tmp_path / "p.png").exists()


class TorchCoder(PixelCoder):
    """A real network without any care for batch sizes of its own."""

    def __init__(self, like):
        import timm
        import torch

        torch.manual_seed(1)
        self.aus, self.recipe, self.limits, self.task = like.aus, like.recipe, (0.5,) * len(like.aus), "occurrence"
        self.network = timm.create_model("resnet18", num_classes=len(self.aus)).eval()

    def __call__(self, faces_BHWC, landmarks_BPC):
        import torch

        with torch.inference_mode():
            return self.network(torch.from_numpy(faces_BHWC).permute(0, 3, 1, 2).float() / 255).sigmoid().numpy()


def test_codes_do_not_depend_on_batch_size_or_threads_or_company(coder, clips, tmp_path):
    network, video = TorchCoder(coder), clips / "face.mp4"
    settings = {"a": (1, True), "b": (7, True), "c": (32, True), "d": (32, False)}
    for name, (batch_size, threads) in settings.items():
        predict(network, [video], tmp_path / f"{name}.csv", batch_size=batch_size, threads=threads)
    assert len({(tmp_path / f"{name}.csv").read_bytes() for name in settings}) == 1
    predict(network, [clips / "photo.png", video], tmp_path / "both.csv")
    both = pd.read_csv(tmp_path / "both.csv")
    beside = both[both["input"] == video.as_posix()].reset_index(drop=True)
    pd.testing.assert_frame_equal(beside, pd.read_csv(tmp_path / "a.csv"), check_exact=True, check_dtype=False)


def test_predict_gives_back_the_thread_settings(coder, clips, tmp_path):
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    predict(coder, [clips / "photo.png"], tmp_path / "c.csv")
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


@pytest.mark.parametrize("name", ["broken.mp4", "zero.jpg"])
def test_a_single_unreadable_input_is_an_error_and_leaves_nothing(coder, clips, tmp_path, name):
    given = {"overlay": tmp_path / "o.mp4"} if name.endswith("mp4") else {}
    with pytest.raises(InputError, match=name):
        predict(coder, [clips / name], tmp_path / "c.csv", **given)
    assert list(tmp_path.iterdir()) == []


def test_only_unreadable_inputs_are_an_error(coder, clips, tmp_path):
    with pytest.raises(InputError, match="none of the 2 inputs can be read"):
        predict(coder, [clips / "broken.mp4", clips / "zero.jpg"], tmp_path / "c.csv")


def test_a_video_cut_short_gives_what_can_be_read(coder, clips, tmp_path, photo, write_video):
    rng = np.random.default_rng(0)  # noise makes all frames about equally long in the file
    noisy = [np.clip(photo + rng.normal(0, 6, photo.shape), 0, 255).astype(np.uint8) for _ in range(30)]
    whole = write_video(tmp_path / "whole.mkv", noisy)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    summary = predict(coder, [tmp_path / "cut.mkv"], tmp_path / "c.csv")
    assert 3 < summary.rows < 30 and len(pd.read_csv(tmp_path / "c.csv")) == summary.rows
    assert all("cut.mkv: frame" in line for line in summary.messages())


@pytest.mark.parametrize("option", ["out", "overlay", "plot"])
def test_outputs_that_exist_are_refused_before_any_work(coder, clips, tmp_path, option):
    outputs = {"out": tmp_path / "c.csv", "overlay": tmp_path / "o.mp4", "plot": tmp_path / "p.png"}
    outputs[option].write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        predict(_never(coder), [clips / "face.mp4"], **outputs)
    assert outputs[option].read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def _never(coder):
    class Never(type(coder)):
        def __call__(self, faces_BHWC, landmarks_BPC):
            raise AssertionError("worked before it checked")

    return Never()


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([], {}, "no input was given"),
        (["missing.mp4"], {}, "missing.mp4: is not there"),
        (["notes.txt"], {}, "neither photo nor video"),
        (["hollow"], {}, "holds no photo or video"),
        (["face.mp4"], {"out": "c.txt"}, r"End its name in \.csv or \.parquet"),
        (["face.mp4"], {"out": "hollow"}, "CSV or Parquet"),
        (["face.mp4"], {"overlay": "o.avi"}, r"o\.avi: --overlay for face\.mp4 cannot be a \.avi file"),
        (["photo.png"], {"overlay": "o.mp4"}, r"End its name in \.png"),
        (["face.mp4", "photo.png"], {"overlay": "o.mp4"}, "Give --overlay a folder"),
        (["face.mp4"], {"plot": "p.gif"}, r"End its name in \.png"),
    ],
)
def test_bad_requests_are_one_line(coder, clips, tmp_path, inputs, outputs, message):
    for name in ("face.mp4", "photo.png"):
        shutil.copy(clips / name, tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "hollow").mkdir()
    named = {"out": tmp_path / "c.csv"} | {option: tmp_path / name for option, name in outputs.items()}
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=message) as caught:
        predict(_never(coder), [tmp_path / name for name in inputs], **named)
    assert "\n" not in str(caught.value) and sorted(tmp_path.iterdir()) == before


def test_a_fault_in_the_coder_stops_all_and_leaves_nothing(coder, clips, tmp_path):
    with pytest.raises(AssertionError, match="worked"):
        predict(_never(coder), [clips / "face.mp4"], tmp_path / "c.csv", overlay=tmp_path / "o.mp4")
    assert list(tmp_path.iterdir()) == []


def test_kind_names_that_are_no_text_and_files_passed_over_leave_the_rest(coder, clips, tmp_path):
    """A name of other bytes is coded under a readable one; links, formats and folders that cannot be read are told."""
    folder = tmp_path / "in"
    (folder / "M\udcfcller").mkdir(parents=True)
    try:
        shutil.copy(clips / "photo.png", folder / "M\udcfcller" / "a\udcff.png")
    except OSError:
        pytest.skip("this file system takes no such names")
    shutil.copy(clips / "face.mp4", folder / "M\udcfcller.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "b.gif").write_bytes(b"GIF89a")
    for ending in ("csv", "parquet"):
        out = tmp_path / f"c-{ending}.{ending}"
        summary = predict(coder, [folder], out, overlay=tmp_path / ending)
        table = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
        names = {name.removeprefix(f"{folder}/") for name in table["input"]}
        assert names == {"M\\xfcller/a\\xff.png", "M\\xfcller.mp4"}
        drawn = {path.relative_to(tmp_path / ending).as_posix() for path in (tmp_path / ending).rglob("*.*g*")}
        assert drawn | {path.name for path in (tmp_path / ending).glob("*.mp4")} == names
        messages = "\n".join(summary.messages())
        messages.encode()
        assert "b.gif: GIF is not read: save it as MP4 in its place" in messages
        assert "loop.mp4: cannot be read (Too many levels of symbolic links)" in messages
    with pytest.raises(InputError, match="File name too long"):
        predict(coder, [folder / ("n" * 300 + ".mp4")], tmp_path / "d.csv")
    with pytest.raises(InputError, match="File name too long"):
        predict(coder, [clips / "photo.png"], tmp_path / ("n" * 300 + ".csv"))


def test_kind_overlay_that_cannot_be_written_leaves_the_codes(coder, clips, tmp_path, monkeypatch):
    from sparsefacs.inference import overlay

    shutil.copy(clips / "face.mp4", tmp_path / ("n" * 250 + ".mp4"))  # leaves little room for a temporary file's name
    summary = predict(coder, [tmp_path / ("n" * 250 + ".mp4")], tmp_path / "a.csv", overlay=tmp_path / "a")
    assert summary.messages() == [] and len(list((tmp_path / "a").iterdir())) == 1

    def full(self, frame):
        raise InputError("the overlay cannot be written (No space left on device)", path=self._path)

    monkeypatch.setattr(overlay._Video, "encode", full)
    inputs = [clips / "face.mp4", clips / "photo.png"]
    summary = predict(coder, inputs, tmp_path / "b.csv", overlay=tmp_path / "b")
    assert pd.read_csv(tmp_path / "b.csv").groupby("input").size().tolist() == [11, 1]
    (line,) = summary.messages()
    assert line.startswith(f"{clips}/face.mp4: the overlay was not written: ") and "No space left" in line
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["photo.png"]


def test_kind_films_of_which_one_picture_is_read_are_told(coder, photo, tmp_path):
    from PIL import Image

    pages = [Image.fromarray(photo), Image.fromarray(photo[::-1])]
    pages[0].save(tmp_path / "a.webp", save_all=True, append_images=pages[1:])
    summary = predict(coder, [tmp_path / "a.webp"], tmp_path / "c.csv")
    assert summary.messages() == [f"{tmp_path}/a.webp: only the first of the file's 2 pictures is read"]
    assert summary.rows == 1
