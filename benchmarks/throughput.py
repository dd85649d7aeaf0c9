"""Our BiT against others and against its own convolutions, R50x1 on this machine, in inference and training.

Each network has a process of its own; they take turns of a second or a call, one computing at a time (A B C A B C ...),
so that a machine that slows down slows them alike. Prints median pictures a second; ratios within the rounds, with
their quartiles, to convolutions and ReLU alone (the bound) and to the fastest of the others' networks; and the peak
memory of each process, which has one case. Writes benchmarks/throughput.json and .png, in which cases and networks of
earlier runs stay that this one has not.

    python benchmarks/throughput.py [--variant=R50x1] [--rounds=7] [--cases=inference:1:224,...] [--forms="...;..."]
"""

import argparse
import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from argument_types import count
from forms import FORMS, doing
from machine import machine

from bit_keras.models.variant import Variant

CASES = "inference:16:224,inference:1:224,inference:16:128,inference:1:128,inference:1:448,training:32:128"
BOUND, OURS = "convolutions and ReLU alone", "ours"
FORMS_SCRIPT = Path(__file__).with_name("forms.py")


class Worker:
    """One network in a process of its own, which `forms.serve`s."""

    def __init__(self, command):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, **pipes)
        self.is_there = self._answer() == "ready"

    def ask(self, line):
        """Sends a line and returns the answer; None if the process has ended."""
        try:
            self.process.stdin.write(json.dumps(line) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        return self._answer()

    def close(self):
        """Ends the process."""
        with contextlib.suppress(BrokenPipeError):  # of one that has ended, whose last line was never read
            self.process.stdin.close()
        self.process.wait()

    def _answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else None


@contextlib.contextmanager
def started(forms, variant):
    """Yields {form: `Worker`} of those that can be started here."""
    workers = {form: Worker([sys.executable, str(FORMS_SCRIPT), form, variant]) for form in forms}
    for form in [form for form, worker in workers.items() if not worker.is_there]:
        print(f"Without {form}, which could not be started here.")
        del workers[form]
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def case(workers, task, batch, side, rounds):
    """Returns {form: {"seconds": of each round, "peak_bytes"}} of those that got through."""
    prepared = {form: worker.ask({"task": task, "batch": batch, "side": side}) for form, worker in workers.items()}
    able = {form: workers[form] for form, is_ready in prepared.items() if is_ready}
    for form in prepared.keys() - able.keys():
        print(f"Without {form}, which did not get through.")
    answers = {form: [] for form in able}
    for _ in range(rounds):
        for form, worker in able.items():
            answers[form].append(worker.ask("go"))
    for form in [form for form, given in answers.items() if not all(given)]:
        print(f"Without {form}, which ended on the way.")
        del answers[form]
    return {
        form: {"seconds": [one["seconds"] for one in given], "peak_bytes": given[-1]["peak_bytes"]}
        for form, given in answers.items()
    }


def summary(found, batch):
    """Returns {form: {"pictures_per_second", "of_bound", "of_fastest_other", ...}}; ratios with quartiles."""
    seconds = {form: np.array(one["seconds"]) for form, one in found.items()}
    others = [form for form in seconds if form != BOUND and not form.startswith(OURS)]
    fastest = min(others, key=lambda form: np.median(seconds[form]), default=None)
    return {
        form: {
            "pictures_per_second": batch / float(np.median(values)),
            "of_bound": _quartiles(seconds[BOUND] / values) if BOUND in seconds else None,
            "of_fastest_other": _quartiles(seconds[fastest] / values) if fastest else None,
            "fastest_other": fastest,
            "rounds": len(values),
            "peak_bytes": found[form]["peak_bytes"],
            "measured": machine(),
        }
        for form, values in seconds.items()
    }


def _quartiles(ratios):
    return [float(ratio) for ratio in np.quantile(ratios, [0.25, 0.5, 0.75])]


def told(name, rows):
    """Returns a case as a table in Markdown."""
    lines = [
        f"{name}",
        "",
        "| network | pictures/s | of the bound | of the fastest other | peak memory, GB |",
        "|" + "---|" * 5,
    ]
    for form, row in rows.items():
        ratios = [_told(row[key]) for key in ("of_bound", "of_fastest_other")]
        lines.append(
            f"| {form} | {row['pictures_per_second']:.1f} | {ratios[0]} | {ratios[1]} | {row['peak_bytes'] / 1e9:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _told(quartiles):
    return f"{quartiles[1]:.2f} ({quartiles[0]:.2f} to {quartiles[2]:.2f})" if quartiles else ""


def draw(results, path):
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(13, 4))
    forms = [form for form in FORMS if form != BOUND and any(form in rows for rows in results.values())]
    width = 0.9 / len(forms)
    for number, form in enumerate(forms):
        heights = [(rows.get(form, {}).get("of_bound") or [0, 0])[1] for rows in results.values()]
        places = [place + (number - len(forms) / 2) * width for place in range(len(results))]
        axis.bar(places, heights, width, label=form)
    axis.axhline(1, color="black", linewidth=0.8)
    axis.set_xticks(range(len(results)), [name.replace(", ", "\n") for name in results])
    axis.set(ylabel="speed of convolutions and ReLU alone = 1")
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=110, bbox_inches="tight")


def is_case(task, *numbers):
    """Whether this is a task, pictures and pixels."""
    return task in ("inference", "training") and len(numbers) == 2 and all(n.isdecimal() and int(n) for n in numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="R50x1")
    parser.add_argument("--rounds", type=count, default=7)
    parser.add_argument("--cases", default=CASES, help="task:batch:pixels, several with commas between them")
    parser.add_argument("--forms", default=";".join(FORMS), help="some of them, with semicolons between")
    options = parser.parse_args()
    if unknown := set(options.forms.split(";")) - set(FORMS):
        parser.error(f"no such forms: {', '.join(unknown)}; there are {'; '.join(FORMS)}")
    try:
        Variant.parse(options.variant)
    except ValueError as error:
        parser.error(str(error))
    cases = [text.split(":") for text in options.cases.split(",")]
    if unclear := [one for one in cases if not is_case(*one)]:
        parser.error(f"expected cases such as inference:16:224, received {':'.join(unclear[0])}")
    file = Path(__file__).with_suffix(".json")
    results = json.loads(file.read_text()) if file.exists() else {}
    for task, batch, side in cases:
        name = f"{options.variant}, {task}, batch {batch}, {side} px"
        with started([form for form in doing(task) if form in options.forms.split(";")], options.variant) as workers:
            rows = summary(case(workers, task, int(batch), int(side), options.rounds), int(batch))
        print(told(name, rows), flush=True)
        rows = results.get(name, {}) | rows
        if rows:
            results[name] = {form: rows[form] for form in FORMS if form in rows}
        file.write_text(json.dumps(results, indent=2) + "\n")
    if results:
        draw(results, file.with_suffix(".png"))


if __name__ == "__main__":
    main()
