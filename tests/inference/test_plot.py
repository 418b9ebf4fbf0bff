import numpy as np
import pandas as pd
import pytest

from sparsefacs.errors import InputError
from sparsefacs.inference.codes import code_columns
from sparsefacs.inference.plot import _curves, _told, _with_gaps, plot_codes


def table(rows=20, lost=range(8, 12), kind="p", timed=True):
    made = pd.DataFrame(np.nan, index=range(rows), columns=code_columns((1, 12)))
    made["frame"], made["face_id"], made["success"] = np.arange(rows) + 1, 0, 1
    if timed:
        made["timestamp"] = np.arange(rows) / 10
    for column in (f"AU01_{kind}", f"AU12_{kind}"):
        made[column] = np.linspace(0, 1, rows)
    made.loc[list(lost), "success"] = 0
    made.loc[list(lost), [f"AU01_{kind}", f"AU12_{kind}"]] = np.nan
    return made


def test_lines_break_where_the_face_is_lost_or_has_no_row():
    _, values = _with_gaps(table(), "AU12_p")
    assert np.isnan(values).nonzero()[0].tolist() == [8, 9, 10, 11]
    times, values = _with_gaps(table(lost=()).drop(index=range(5, 9)), "AU12_p")
    assert np.isnan(times).nonzero()[0].tolist() == np.isnan(values).nonzero()[0].tolist() == [5]


def test_one_panel_an_au_with_its_curve_and_the_lost_stretch_shaded():
    made = table()
    figure = _curves(made, ["AU01_p", "AU12_p"], [1, 12], "p", (0.3, 0.6))
    assert [axis.get_title(loc="left")[:4] for axis in figure.axes] == ["AU1 ", "AU12"]
    line = figure.axes[1].lines[-1]
    np.testing.assert_array_equal(line.get_ydata(), made["AU12_p"])
    assert len(figure.axes[0].patches) == 1
    assert figure.axes[0].patches[0].get_x() == pytest.approx(0.8)


@pytest.mark.parametrize("kind", ["p", "r"])
def test_the_kind_the_table_tells_is_drawn(kind, tmp_path):
    assert _told(table(kind=kind), tmp_path) == (kind, [f"AU01_{kind}", f"AU12_{kind}"])


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
@pytest.mark.parametrize("timed", [True, False])
def test_a_picture_is_written(tmp_path, suffix, start, timed):
    table(lost=(), timed=timed).to_csv(tmp_path / "c.csv", index=False)
    plot_codes(tmp_path / "c.csv", tmp_path / f"p{suffix}", limits=(0.3, 0.5))
    assert (tmp_path / f"p{suffix}").read_bytes().startswith(start)


def test_a_table_of_an_earlier_version_is_drawn(tmp_path):
    made = table().drop(columns=["pose_Rx", "pose_Ry", "pose_Rz", "reference"])
    made.to_csv(tmp_path / "c.csv", index=False)
    plot_codes(tmp_path / "c.csv", tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_nothing_coded_is_an_error(tmp_path):
    table(lost=range(20)).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(InputError, match="no coded face"):
        plot_codes(tmp_path / "c.csv", tmp_path / "p.png")


def test_sides_and_intensities_beside_are_not_taken_for_more_probabilities(tmp_path):
    further = ("AU01_r", "AU12_r", "AU12_left_r", "AU12_right_r")
    made = table().reindex(columns=code_columns((1, 12), further=further))
    made[list(further)] = 2.5
    assert _told(made, tmp_path / "codes.csv") == ("p", ["AU01_p", "AU12_p"])
    made.to_csv(tmp_path / "codes.csv", index=False)
    plot_codes(tmp_path / "codes.csv", tmp_path / "curves.png", limits=(0.3, 0.6))
    assert (tmp_path / "curves.png").stat().st_size > 1000
