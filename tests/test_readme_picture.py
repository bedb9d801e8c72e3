"""The picture of the README is there, and is drawn from a profile of kernels."""

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import readme_picture

MACHINE = {"cpu": "a processor", "isa": "avx2", "fastnn": "1", "numpy": "2", "numba": "3", "torch": "4", "python": "5"}


def row(kernel, shape, size, **times):
    given = {"loops": 1.0, "loops_share": 0.1, "numpy": 1e-2, "im2col": None, "one": 2e-4, "all": 1e-4, "torch": 3e-4}
    given |= times
    spread = {name: 0.05 for name, seconds in given.items() if name != "loops_share" and seconds is not None}
    rates = {"gflops": None, "gbytes": 1.0, "share_of_peak": None, "share_of_bandwidth": 0.1}
    return {"kernel": kernel, "shape": shape, "flops": 0, "bytes": size, "spread": spread} | given | rates


def profile(**changed):
    rows = [row("relu", "small (1)", 4), row("relu", "large <9>", 36), row("im2col", "large <9>", 36, torch=None)]
    return {"kernels": rows, "threads": 2, "machine": MACHINE, "interrupted": False} | changed


def test_the_readme_has_a_picture_with_machine_versions_and_command():
    readme = readme_picture.README.read_text(encoding="utf-8")
    between = readme.partition(readme_picture.BEGIN)[2].partition(readme_picture.END)[0]
    (path,) = re.findall(r"!\[[^\]]+\]\((.+?)\)", between)
    assert readme_picture.ROOT / path == readme_picture.PICTURE
    root = ElementTree.parse(readme_picture.PICTURE).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall(".//{*}rect")) > 10
    assert re.search(r"`fastnn profile kernels .*` on \w+.* threads; fastnn .*NumPy .*Numba .*PyTorch ", between)


def test_a_kernel_has_its_bars_on_its_largest_shape():
    text = readme_picture.picture(readme_picture.kernel_times(profile()), 2)
    root = ElementTree.fromstring(text)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "relu, large <9>" in words and "im2col, large <9>" in words and "relu, small (1)" not in words
    bars = [a.get("class") for a in root.iter("{http://www.w3.org/2000/svg}rect") if a.get("class")]
    both = ["bar-loops", "bar-numpy", "bar-one", "bar-all"]
    assert bars == [*both, "bar-torch", *both]
    assert "prefers-color-scheme: dark" in text
    for kind in {*bars, "grid", "tick", "end", "middle"}:
        assert f".{kind}" in text.partition("</style>")[0]  # it has its colours with it


def test_the_caption_goes_between_the_marks():
    readme = f"before\n{readme_picture.BEGIN}old\n{readme_picture.END}after\n"
    text = readme_picture.renewed(readme, profile(), "the command")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "`the command` on a processor, avx2, 2 threads; fastnn 1, NumPy 2, Numba 3, PyTorch 4." in text
    with pytest.raises(ValueError, match=r"README\.md has no lines"):
        readme_picture.renewed("text", profile(), "")


def test_the_script_writes_both(tmp_path, monkeypatch):
    files = {name: tmp_path / name for name in ("README.md", "kernels.svg", "kernels.json")}
    files["README.md"].write_text(readme_picture.BEGIN + readme_picture.END)
    files["kernels.json"].write_text(json.dumps(profile()))
    monkeypatch.setattr(readme_picture, "ROOT", tmp_path)
    monkeypatch.setattr(readme_picture, "README", files["README.md"])
    monkeypatch.setattr(readme_picture, "PICTURE", files["kernels.svg"])
    assert readme_picture.main([str(files["kernels.json"]), "a command"]) == 0
    assert "](kernels.svg)" in files["README.md"].read_text()
    ElementTree.parse(files["kernels.svg"])


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({}, "no profile of kernels: KeyError"),
        ([], "no profile of kernels: TypeError"),
        ({"kernels": [{"kernel": "relu"}], "interrupted": False}, "no profile of kernels: KeyError"),
        (profile(interrupted=True), "was interrupted"),
        (profile(kernels=[]), "was interrupted"),
    ],
)
def test_what_is_no_whole_profile_is_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        readme_picture.kernel_times(wrong)
