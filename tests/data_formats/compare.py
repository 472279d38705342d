"""Compares imported DICOM and NIfTI images with pydicom and nibabel.

Every DICOM file of pydicom's test data and every NIfTI file of nibabel's is imported by `stepwise data import`, and so are
the files below further folders on the command line. Grey levels and colours must agree to one level of 255, and no name,
date or id of a file may be in the output.

    python compare.py target/debug/stepwise [FOLDER ...]
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

warnings.filterwarnings("ignore")
PROGRAM = pathlib.Path(sys.argv[1]).resolve()
FOLDERS = [pathlib.Path(folder) for folder in sys.argv[2:]]
LEVELS = 1
# Decoders of lossy JPEG differ by a value in brightness and in each colour difference. The differences add up in red and
# blue, and grow where few values become 256 levels.
LOSSY_LEVELS = 3
LOSSY_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
IDENTIFYING = [
    "PatientName", "PatientID", "PatientBirthDate", "StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate",
    "InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName",
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber", "StationName", "StudyID",
]


def imported(arguments, source, out):
    """Runs an import. Returns the data set's cases, or the first line of the refusal."""
    command = [PROGRAM, "data", "import", *arguments, source, out]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        return None, result.stderr.strip().splitlines()[0].split(": file: ", 1)[-1].split(" -> ")[0].replace(str(source), "")
    lines = (out / "cases.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], ""


def value_range(dataset):
    """Lowest and highest value after the modality table, as pydicom's windowing takes them."""
    if "ModalityLUTSequence" in dataset:
        return 0, 2 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    bits = dataset.BitsStored
    ends = (0, 2**bits - 1) if dataset.PixelRepresentation == 0 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    slope, intercept = dataset.get("RescaleSlope", 1) or 1, dataset.get("RescaleIntercept", 0) or 0
    return tuple(sorted(end * float(slope) + float(intercept) for end in ends))


def reference(dataset, by_extremes):
    """The first frame in levels 0 to 255, by pydicom; grey values through the window of the file, or by their extremes."""
    pixels = pixel_array(dataset, index=0)
    photometric = str(dataset.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        return apply_color_lut(pixels, dataset) / 2.0 ** max(0, dataset.RedPaletteColorLookupTableDescriptor[2] - 8)
    if dataset.SamplesPerPixel == 3:
        return np.floor(pixels / 2.0 ** (dataset.BitsStored - 8))
    values = apply_modality_lut(pixels, dataset)
    if by_extremes:
        padding = dataset.get("PixelPaddingValue")
        counted = values if padding is None else values[pixels != padding]
        return np.clip((values - counted.min()) / float(counted.max() - counted.min()), 0, 1) * 255
    low, high = value_range(dataset)
    table = dataset.get("VOILUTSequence")
    if table:
        values = apply_voi_lut(values, dataset)
        low, high = 0, 2 ** table[0].LUTDescriptor[2] - 1
    elif dataset.get("WindowWidth") not in (None, ""):
        values = apply_voi_lut(values, dataset, index=0)
    levels = np.clip((values - low) / (high - low), 0, 1) * 255
    return 255 - levels if photometric == "MONOCHROME1" else levels


def secrets(dataset):
    """Texts of a file that must not be in an output."""
    texts = set()
    for element in dataset.iterall():
        if element.keyword in IDENTIFYING or element.tag.is_private and element.VR in ("LO", "SH", "PN", "UI"):
            texts.update(str(element.value).replace("^", " ").split())
    return {text for text in texts if len(text) > 4}


def with_syntax(dataset):
    """Adds the transfer syntax that pydicom needs to a file without file meta information."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "TransferSyntaxUID" not in getattr(dataset, "file_meta", FileMetaDataset()):
        is_implicit, is_little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit
    return dataset


def difference(expected, found):
    return float(np.abs(np.asarray(found, dtype=float) - np.asarray(expected, dtype=float)).max())


def compare_dicom(path, work):
    """Returns the outcome of one file in words, and whether it is as it should be."""
    (work / "in").mkdir()
    name = f"{path.stem}.dcm"
    (work / "in" / name).write_bytes(path.read_bytes())
    (work / "in" / "t.csv").write_text(f"file,question,answer\n{name},Which?,x\n")
    columns = ["--image", "file", "--question", "question", "--answer", "answer", "--rest", "25", "--frame", "1"]
    cases, refusal = imported(["table", *columns], work / "in" / "t.csv", work / "out")
    try:
        dataset = with_syntax(pydicom.dcmread(path, force=True))
    except Exception as error:  # noqa: BLE001
        return f"pydicom cannot read it ({type(error).__name__}); {'refused' if cases is None else 'imported'}", cases is None
    is_narrow = "names no window" in refusal
    if is_narrow:
        cases, refusal = imported(["table", *columns, "--intensity", "min-max"], work / "in" / "t.csv", work / "out")
    if cases is None:
        return f"refused: {refusal}", True
    output = (work / "out" / "cases.jsonl").read_text() + (work / "out" / "import.json").read_text()
    output += " ".join(entry.name for entry in (work / "out" / "images").iterdir())
    leaked = sorted(text for text in secrets(dataset) if text in output)
    if leaked:
        return f"LEAKS {len(leaked)} texts", False
    try:
        expected = reference(dataset, is_narrow)
    except Exception as error:  # noqa: BLE001
        return f"imported, but pydicom cannot decode it ({type(error).__name__})", True
    found = np.asarray(Image.open(work / "out" / cases[0]["images"][0]["path"]))
    if found.shape != expected.shape:
        return f"SHAPE {found.shape}, expected {expected.shape}", False
    most = difference(expected, found)
    allowed = LOSSY_LEVELS if dataset.file_meta.TransferSyntaxUID in LOSSY_JPEG else LEVELS
    return f"largest difference {most:.2f} levels, {cases[0]['images'][0]['pixels'].get('mapping', 'colours')}", most <= allowed


def compare_nifti(path, work):
    volume = nibabel.load(path)
    if type(volume) is not nibabel.Nifti1Image or volume.ndim < 3:
        return "no NIfTI-1 volume of three dimensions", True
    for folder in ("imagesTr", "labelsTr"):
        (work / "in" / folder).mkdir(parents=True)
    name = path.name
    (work / "in" / "imagesTr" / name).write_bytes(path.read_bytes())
    blank = nibabel.Nifti1Image(np.zeros(volume.shape[:3], np.uint8), volume.affine)
    nibabel.save(blank, work / "in" / "labelsTr" / name)
    pair = {"image": f"imagesTr/{name}", "label": f"labelsTr/{name}"}
    sheet = {"labels": {"0": "background", "1": "x"}, "training": [pair]}
    (work / "in" / "dataset.json").write_text(json.dumps(sheet))
    values = np.asarray(volume.dataobj, dtype=float)
    values = values.reshape(*volume.shape[:3], -1)[..., 0]
    low, high = np.nanmin(values), np.nanmax(values)
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(values, volume.affine))
    array = np.asarray(canonical.dataobj)
    stored = nibabel.io_orientation(volume.affine)
    outcomes = []
    for plane, axis in (("sagittal", 0), ("coronal", 1), ("axial", 2)):
        options = ["msd", "--intensity", "min-max", "--plane", plane, "--slices", "all", "--frame", "1"]
        cases, refusal = imported(options, work / "in", work / plane)
        if cases is None:
            return f"refused: {refusal}", "NIfTI" in refusal or "orientation" in refusal or "how the volume lies" in refusal
        from_end = stored[np.flatnonzero(stored[:, 0] == axis)[0], 1] < 0
        most = 0.0
        for case in cases:
            image = case["images"][0]
            index = int(image["pixels"]["slice"].split()[1])
            place = array.shape[axis] - 1 - index if from_end else index
            slice_ = np.take(array, place, axis)
            expected = slice_[::-1, ::-1].T
            expected = np.clip((expected - low) / (high - low), 0, 1) * 255
            found = np.asarray(Image.open(work / plane / image["path"]))
            if found.shape != expected.shape:
                return f"SHAPE {found.shape}, expected {expected.shape}", False
            most = max(most, difference(expected, found))
        outcomes.append((plane, len(cases), most))
    words = ", ".join(f"{plane} {count} slices {most:.2f}" for plane, count, most in outcomes)
    return f"largest differences in levels: {words}", all(most <= LEVELS for _, _, most in outcomes)


def files(root, *endings):
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name.endswith(endings))


def main():
    dicom = files(pathlib.Path(pydicom.__file__).parent / "data" / "test_files", ".dcm")
    nifti = files(pathlib.Path(nibabel.__file__).parent / "tests" / "data", ".nii", ".nii.gz")
    for folder in FOLDERS:
        dicom += files(folder, ".dcm", ".ima", ".IMA")
        nifti += files(folder, ".nii", ".nii.gz")
    wrong = 0
    for paths, compare in ((dicom, compare_dicom), (nifti, compare_nifti)):
        for path in paths:
            with tempfile.TemporaryDirectory() as work:
                outcome, is_right = compare(path, pathlib.Path(work))
            wrong += not is_right
            print(f"{'ok   ' if is_right else 'WRONG'} {path.name}: {outcome}")
    print(f"{len(dicom)} DICOM and {len(nifti)} NIfTI files, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
