"""A CSV file with paths and labels, and perhaps splits."""

from collections import Counter

import pytest

from bit_keras.data.opening import open_data
from bit_keras.data.table import write_csv
from bit_keras.errors import BrokenPicturesError, DataError
from tests.data.making import write_photos


@pytest.fixture
def table(tmp_path):
    """Returns a function that writes text beside the pictures blue/0.png ... red/9.png and returns the CSV's path."""
    write_photos(tmp_path)

    def write(text, encoding="utf-8"):
        (tmp_path / "table.csv").write_bytes(text.encode(encoding))
        return tmp_path / "table.csv"

    return write


def lines(*rows):
    return "\n".join(["path,label,split", *rows, ""])


ALL = [f"{label}/{number}.png,{label}," for label in ("blue", "red") for number in range(10)]


def test_relative_paths_start_at_the_folder_of_the_file(table, tmp_path, monkeypatch):
    path = table(lines(*ALL))
    monkeypatch.chdir(tmp_path.parent)
    assert len(open_data(path).table) == 20


def test_a_picture_in_two_rows_is_an_error(table):
    with pytest.raises(DataError, match=r"each picture once in .*table\.csv.*several rows for .*red/3\.png\. Keep one"):
        open_data(table(lines(*ALL, "red/3.png,blue,test")))


def test_val_stands_for_validation(table):
    splits = [["train", "val", "test"][number % 3] for number in range(20)]
    data = open_data(table(lines(*(row + split for row, split in zip(ALL, splits, strict=True)))))
    assert set(data.splits) == {"train", "validation", "test"}


def test_absolute_paths_are_taken_as_they_are(table, tmp_path):
    data = open_data(table(lines(*(f"{tmp_path}/{row}" for row in ALL))))
    assert data.table[0][0] == f"{tmp_path}/blue/0.png"


def test_columns_may_come_in_any_order_with_others_between(table):
    data = open_data(table("label,size,path\nsea,3,blue/0.png\nfire,4,red/0.png\n"))
    assert data.class_names == ("fire", "sea")


def test_without_a_split_column_a_tenth_is_held_out_of_each_class(table):
    data = open_data(table("path,label\n" + "".join(row.removesuffix(",") + "\n" for row in ALL)))
    assert Counter(split for *_, split in data.table) == {"train": 16, "validation": 2, "test": 2}
    assert not data.is_split


def test_given_splits_are_kept(table):
    rows = [f"blue/{n}.png,a,{s}" for n, s in enumerate(["train", "train", "validation", "test"])]
    rows += ["red/0.png,b,train"]
    data = open_data(table(lines(*rows)))
    assert [split for *_, split in data.table] == ["train", "train", "validation", "test", "train"]
    assert data.is_split


def test_a_missing_column_is_named(table):
    with pytest.raises(DataError, match=r"columns path and label.*Received: \['file', 'label'\]"):
        open_data(table("file,label\nblue/0.png,a\n"))


def test_an_empty_file_lacks_the_columns(table):
    with pytest.raises(DataError, match="columns path and label"):
        open_data(table(""))


def test_an_unknown_split_is_named(table):
    with pytest.raises(DataError, match=r"train.*validation.*test.*Received: \['holdout'\]"):
        open_data(table(lines("blue/0.png,a,holdout", "red/0.png,b,train")))


def test_one_label_alone_is_an_error(table):
    with pytest.raises(DataError, match="at least two classes"):
        open_data(table(lines("blue/0.png,a,", "blue/1.png,a,")))


def test_a_path_that_leads_nowhere_is_a_broken_picture(table, tmp_path):
    path = table(lines(*ALL, "blue/lost.png,blue,"))
    assert open_data(path).problems == {f"{tmp_path}/blue/lost.png": "No such file or directory"}
    with pytest.raises(BrokenPicturesError, match=r"lost\.png"):
        open_data(path, strict=True)


def test_a_written_table_reads_back_as_the_same_splits(table, tmp_path):
    data = open_data(table(lines(*ALL)), seed=3)
    write_csv(tmp_path / "split.csv", data.table)
    again = open_data(tmp_path / "split.csv", seed=9)
    assert again.table == data.table and again.fingerprint == data.fingerprint


def test_a_file_of_test_pictures_alone_can_be_opened(table):
    data = open_data(table(lines(*(row + "test" for row in ALL))))
    assert {split: len(examples) for split, examples in data.splits.items()} == {"test": 20}


@pytest.mark.parametrize("text", ["path,label\nblue/0.png,a\nblue/1.png\nred/0.png,b\n", "label,path\na\n"])
def test_a_row_with_too_few_values_is_an_error_in_words(table, text):
    with pytest.raises(DataError, match=r"table\.csv"):
        open_data(table(text))


def test_a_file_that_is_not_utf_8_is_an_error_in_words(table):
    with pytest.raises(DataError, match="UTF-8"):
        open_data(table("path,label\nblue/0.png,grün\nred/0.png,rot\n", encoding="latin-1"))


def test_a_byte_order_mark_as_excel_writes_it_is_no_part_of_the_first_name(table):
    assert open_data(table(lines(*ALL), encoding="utf-8-sig")).class_names == ("blue", "red")


def test_labels_of_any_script_are_kept(table):
    assert open_data(table(lines("blue/0.png,海,", 'red/0.png,"rot, hell",'))).class_names == ("rot, hell", "海")
