"""Compares what TensorBoard reads of a run with the run's logs.

    tensorboard_check.py run RUN STEP,STEP…     its event reader; the steps are those of the pictures
    tensorboard_check.py killed RUN STEP,STEP…  the same for a killed run: events and log end anywhere beyond the last picture
    tensorboard_check.py served FOLDER RUN…     its server, asked for every value and picture of the runs
"""

import json
import logging
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

SCALARS = {  # tag: log and column
    "train/overall_loss": ("log.tsv", "overall_loss"),
    "train/relevant_loss": ("log.tsv", "relevant_loss"),
    "train/step_seconds": ("log.tsv", "time"),
    "valid/loss": ("valid.tsv", "valid_loss"),
    "valid/cell_error": ("valid.tsv", "valid_error"),
    "valid/label_error": ("valid.tsv", "label_error"),
}
RATE, PICTURE = "train/learning_rate", "prediction"


class Wrong(Exception):
    """TensorBoard and the logs differ."""


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def column(run, log, name):
    """[(step, value)] of a column, without those that are NaN."""
    path = os.path.join(run, log)
    if not os.path.exists(path):
        return []
    with open(path) as file:
        lines = [line[:-1].split("\t") for line in file if line.endswith("\n")]
    at = lines[0].index(name)
    return [(int(line[0]), float(line[at])) for line in lines[1:] if not math.isnan(float(line[at]))]


def expected(run):
    """{tag: [(step, value)]} of a run's logs; its learning rate does not change."""
    want = {tag: column(run, *where) for tag, where in SCALARS.items()}
    with open(os.path.join(run, "config.json")) as file:
        rate = json.load(file)["settings"]["lr"]
    want[RATE] = [(step, rate) for step, _ in column(run, "log.tsv", "time")]
    return {tag: values for tag, values in want.items() if values}


def compare(got, want, killed=False):
    """Raises Wrong at the first difference; returns how many values there are."""
    if sorted(got) != sorted(want):
        raise Wrong(f"TensorBoard has the scalars {sorted(got)}, the logs {sorted(want)}")
    for tag, values in want.items():
        if killed:
            n = min(len(values), len(got[tag]))
            values, got[tag] = values[:n], got[tag][:n]
        if [step for step, _ in got[tag]] != [step for step, _ in values]:
            raise Wrong(f"{tag}: {len(got[tag])} steps, the logs have {len(values)}, or others")
        for (step, a), (_, b) in zip(got[tag], values):
            # The log keeps six digits of a time.
            if a != float32(b) and not (tag == "train/step_seconds" and abs(a - b) <= 1e-5 * b):
                raise Wrong(f"{tag}: {a} at step {step}, the log has {b}")
    return sum(len(values) for values in got.values())


def read(run, pictures, killed=False):
    from tensorboard.backend.event_processing import event_accumulator as ea

    events = ea.EventAccumulator(os.path.join(run, "tensorboard"), size_guidance={ea.SCALARS: 0, ea.IMAGES: 0})
    events.Reload()
    tags = events.Tags()
    n = compare({tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]}, expected(run), killed)
    if tags["images"] != [PICTURE]:
        raise Wrong(f"pictures {tags['images']}, want {PICTURE}")
    images = events.Images(PICTURE)
    if [image.step for image in images] != pictures:
        raise Wrong(f"pictures at the steps {[image.step for image in images]}, want {pictures}")
    for image in images:
        size = struct.unpack(">II", image.encoded_image_string[16:24])
        if (image.width, image.height) != size:
            raise Wrong(f"the picture has {size} pixels, the event says {image.width}, {image.height}")
    print(f"{run}: {n} values and {len(images)} pictures as in the logs")


def served(folder, runs):
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--port", "0",
                                   "--samples_per_plugin", "scalars=1000000,images=1000"], stdout=log, stderr=log)
        try:
            ask_runs(server, log, folder, runs)
        finally:
            server.terminate()
            server.wait()


def ask_runs(server, log, folder, runs):
    def text():
        log.seek(0)
        return log.read()

    deadline = time.monotonic() + 60
    while not (address := re.search(r"at (http://\S+?)/? ", text())):
        if time.monotonic() > deadline or server.poll() is not None:
            raise Wrong(f"the server does not start: {text()}")
        time.sleep(0.1)

    def ask(path, query):
        with urllib.request.urlopen(f"{address[1]}/data/plugin/{path}?{query}", timeout=30) as answer:
            return answer.read()

    def table(path, **query):
        return json.loads(ask(path, urllib.parse.urlencode(query)))

    def check(run):
        name = run + "/tensorboard"
        tags = table("scalars/tags").get(name, {})
        n = compare({tag: [(step, value) for _, step, value in table("scalars/scalars", run=name, tag=tag)] for tag in tags},
                    expected(os.path.join(folder, run)))
        if PICTURE not in table("images/tags").get(name, {}):
            raise Wrong("no pictures")
        pictures = table("images/images", run=name, tag=PICTURE, sample=0)
        for picture in pictures:
            if not ask("images/individualImage", picture["query"]).startswith(b"\x89PNG"):
                raise Wrong(f"no PNG at step {picture['step']}")
        return f"{run}: {n} values and {len(pictures)} pictures from the server"

    for run in runs:
        while True:  # it reads the files in the background
            try:
                print(check(run))
                break
            except Wrong:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)


def main(part, *args):
    if part == "served":
        return served(args[0], args[1:])
    read(args[0], [int(step) for step in args[1].split(",")], part == "killed")


logging.disable()  # TensorBoard reports that it drops the steps of the killed run
try:
    main(*sys.argv[1:])
except Wrong as wrong:
    sys.exit(f"tensorboard_check.py: {wrong}")
