"""Prints the SHA-256 of the published images of which variants are in the training cases.

    python3 trained_images.py BCCD BRAIN_MRI SETS

SETS is the folder with the cases of `smears` and `slices`. `stepwise` reads the list beside the weights of a model
(`trained_images.txt`) and names the evaluation cases that show one of the images.
"""

import hashlib
import json
import sys
from pathlib import Path

from images import VARIANTS


def case_ids(folder):
    """Parts of the ids of all cases of a folder."""
    for line in (folder / "cases.jsonl").read_text().splitlines():
        yield json.loads(line)["case_id"].split("-")


def main():
    bccd, slices, sets = (Path(argument) for argument in sys.argv[1:])
    # bccd-bloodimage-00012-03 and brain-mri-glioma-12345, the number of the slice times the variants and the variant.
    images = {bccd / f"JPEGImages/BloodImage_{parts[2]}.jpg" for parts in case_ids(sets / "smears")}
    for parts in case_ids(sets / "slices"):
        images.add(slices / parts[2] / f"{int(parts[3]) // VARIANTS['slices']}.jpg")
    print("# sha256 of the published images, of which this model was trained on variants")
    for digest in sorted({hashlib.sha256(image.read_bytes()).hexdigest() for image in images}):
        print(digest)


if __name__ == "__main__":
    main()
