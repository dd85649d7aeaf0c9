"""Looks at every picture before a run, so that a broken one is named then and not met in the middle."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from bit_keras.data.pictures import PictureError, read_picture
from bit_keras.errors import BrokenPicturesError

LISTED = 20  # broken pictures that a message names


@dataclass(frozen=True)
class Checked:
    """A readable picture: its upright (height, width), whether TensorFlow reads its file as it is, and its SHA-256."""

    size: tuple[int, int]
    is_native: bool
    digest: str


def check_pictures(paths):
    """Decodes each file of `paths`, with a progress bar; returns ({path: Checked}, {path: what is wrong})."""
    good: dict[str, Checked] = {}
    broken: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = tqdm(pool.map(_check, paths), total=len(paths), desc="checking pictures", unit="picture", leave=False)
        for path, result in zip(paths, results, strict=True):
            if isinstance(result, Checked):
                good[path] = result
            else:
                broken[path.encode(errors="backslashreplace").decode()] = result
    return good, broken


def raise_if_strict(problems, strict):
    """Raises `BrokenPicturesError` that names the broken pictures, if there are any and `strict` is set."""
    if strict and problems:
        raise BrokenPicturesError(f"{describe(problems)} Mend or remove them, or run without strict to leave them out.")


def describe(problems):
    """Returns sentences that count and name {path: reason}."""
    named = "; ".join(f"{path}: {reason}" for path, reason in list(problems.items())[:LISTED])
    more = f"; and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
    noun = "picture cannot" if len(problems) == 1 else "pictures cannot"
    return f"{len(problems)} {noun} be read: {named}{more}."


def _check(path):
    try:
        path.encode()
        encoded = Path(path).read_bytes()
        decodable, picture = read_picture(encoded)
    except UnicodeEncodeError:
        return "its name is not in UTF-8, so no list can hold it; rename it"
    except OSError as error:
        return error.strerror or str(error)
    except PictureError as error:
        return str(error)
    return Checked(tuple(picture.shape[:2]), decodable is encoded, hashlib.sha256(encoded).hexdigest())
