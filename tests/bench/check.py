"""Tests of what `run` computes. Standard library only: python tests/bench/check.py"""

import argparse
import importlib.machinery
import importlib.util
import json
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path
from unittest import mock

from side_by_side import flops, growth, install, plan, plot, rows, runs, work

HERE = Path(__file__).resolve().parent


def losses(values: list[float], seconds: list[float], mebibytes: int = 100) -> dict:
    settings = {"warmup": 1}
    return {"losses": values, "seconds": seconds, "settings": settings, "peak_rss_bytes": mebibytes << 20}


def answers(values: list[str], seconds: float) -> dict:
    return {"records": list(range(len(values))), "answers": values, "seconds": [seconds] * len(values), "settings": {}}


class Rows(unittest.TestCase):
    """One row's verdict from results on disk."""

    def judged(self, name: str, ours: list[dict], peer: list[dict]) -> dict:
        row = next(row for row in plan.load(HERE / "plan.toml", "full", None).rows if row.name == name)
        with tempfile.TemporaryDirectory() as folder:
            runner = runs.Runner({}, Path(folder), Path(folder), 2)
            for side, results in (("ours", ours), ("peer", peer)):
                for run, result in enumerate(results, start=1):
                    runner.path(row.sides[side], run).write_text(json.dumps(result))
            return rows.compared(row, runner)

    def test_the_median_run_decides_and_warming_up_does_not_count(self):
        ours = [losses([2.0, 1.0], [99.0, seconds]) for seconds in (1.0, 2.0, 50.0)]
        row = self.judged("plain-f32", ours, [losses([2.0, 1.0005], [0.0, 3.0])])
        self.assertEqual((row["peer"], row["ours"], row["ratio"], row["met"]), ("3", "2", "1.5", "yes"))

    def test_a_ratio_below_its_target_is_not_met(self):
        row = self.judged("plain-f32", [losses([1.0], [0.0, 2.0])], [losses([1.0], [0.0, 2.2])])
        self.assertEqual((row["ratio"], row["target"], row["met"]), ("1.1", ">= 1.2", "no"))

    def test_fast_but_unequal_is_not_met(self):
        row = self.judged("plain-f32", [losses([1.0, 2.0], [0.0, 1.0])], [losses([1.0, 2.002], [0.0, 9.0])])
        self.assertEqual(row["met"], "no")
        self.assertIn("results differ by 0.002", row["what"])

    def test_one_unequal_run_of_many_is_enough(self):
        ours = [losses([1.0], [0.0, 1.0]), losses([1.5], [0.0, 1.0])]
        self.assertEqual(self.judged("plain-f32", ours, [losses([1.0], [0.0, 9.0])])["met"], "no")

    def test_a_loss_that_is_no_number_is_unequal(self):
        for place in (0, 1):
            values = [1.0, 1.0]
            values[place] = float("nan")
            row = self.judged("plain-f32", [losses(values, [0.0, 1.0])], [losses([1.0, 1.0], [0.0, 9.0])])
            self.assertEqual(row["met"], "no")

    def test_a_changed_answer_is_counted(self):
        row = self.judged("eval-text-loop", [answers(["a", "b"], 1.0)], [answers(["a", "c"], 9.0)])
        self.assertEqual((row["met"], row["ratio"]), ("no", "9"))
        self.assertIn("1 of 2 answers differ", row["what"])

    def test_memory_is_a_share(self):
        ours, peer = [losses([1.0], [0.0, 1.0], 50)], [losses([1.0], [0.0, 1.0], 100)]
        row = self.judged("memory-plain", ours, peer)
        self.assertEqual((row["ratio"], row["target"], row["met"]), ("0.5", "<= 0.6", "yes"))

    def test_a_failed_run_leaves_a_row(self):
        row = self.judged("plain-f32", [losses([1.0], [0.0, 1.0])], [])
        self.assertEqual(row["met"], "no")
        self.assertIn("peer-train-plain-train: no run succeeded", row["what"])

    def test_a_row_that_was_left_out_stays_in_the_table(self):
        row = rows.unmeasured("plain step", plan.Bound("at_least", 1.2))
        self.assertEqual(tuple(row.values()), ("plain step", "", "", "", ">= 1.2", "not measured"))

    def test_the_committed_tables_name_every_row(self):
        for profile, name in (("full", "smolvlm-256m"), ("quick", "quick")):
            planned = plan.load(HERE / "plan.toml", profile, None)
            table = (HERE / "results" / f"{name}.csv").read_text(encoding="utf-8")
            label = planned.settings["label"]
            wanted = [row.what for row in planned.rows]
            wanted += [label + what for what in growth.WHAT.values()] + [what for _, what in install.NAMES.values()]
            for what in wanted:
                self.assertIn(what, table, name)

    def test_different_work_is_said(self):
        row = self.judged("plain-f32", [losses([1.0], [0.0, 1.0])], [losses([1.0, 1.0], [0.0, 9.0])])
        self.assertIn("different work", row["what"])


class Card(unittest.TestCase):
    """What `gpu` computes."""

    def setUp(self):
        loader = importlib.machinery.SourceFileLoader("gpu", str(HERE / "gpu"))
        self.gpu = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu", loader))
        loader.exec_module(self.gpu)

    def evaluation(self, answers: list[str], scores: list[list[float]], records: list[int] | None = None) -> dict:
        return {"records": records or list(range(len(answers))), "answers": answers, "log_likelihoods": scores}

    def judged(self, ours: dict, peer: dict, tolerance: float = 0.1) -> list[str]:
        return self.gpu.judged({"stepwise": [ours], "pytorch": [peer]}, tolerance)[1]

    def test_every_row_with_a_peer_is_judged(self):
        for name, (_, _, peer, _, tolerance) in self.gpu.ROWS.items():
            self.assertEqual(peer is None, tolerance is None, name)

    def test_log_likelihoods_within_the_tolerance_are_equal_in_any_order(self):
        ours = self.evaluation(["a", "b"], [[-1.0, -2.0], [-4.0, -3.0]])
        peer = self.evaluation(["b", "a"], [[-4.05, -3.0], [-1.0, -2.05]], [1, 0])
        self.assertEqual(self.judged(ours, peer), [])

    def test_log_likelihoods_apart_and_no_numbers_are_problems(self):
        ours = self.evaluation(["a"], [[-1.0, -2.0]])
        for scores in ([-1.0, -2.2], [-1.0, float("nan")]):
            self.assertIn("log-likelihoods differ", self.judged(ours, self.evaluation(["a"], [scores]))[0])

    def test_an_answer_may_differ_only_near_a_tie(self):
        ours = self.evaluation(["b"], [[-1.0, -1.0]])
        self.assertEqual(self.judged(ours, self.evaluation(["a"], [[-1.0, -1.09]])), [])
        far = self.evaluation(["a"], [[-1.0, -3.0]])
        self.assertEqual(self.judged(self.evaluation(["b"], [[-1.0, -3.0]]), far), ["1 of 1 answers differ"])

    def test_other_records_are_different_work(self):
        ours = self.evaluation(["a"], [[-1.0, -2.0]])
        for records, scores in (([5], [[-1.0, -2.0]]), ([0], [[-1.0]])):
            self.assertIn("different work", self.judged(ours, self.evaluation(["a"], scores, records))[0])

    def test_losses_apart_and_of_other_steps_are_problems(self):
        self.assertEqual(self.judged({"losses": [1.0]}, {"losses": [1.05]}), [])
        self.assertIn("losses differ", self.judged({"losses": [1.0]}, {"losses": [1.2]})[0])
        self.assertIn("different work", self.judged({"losses": [1.0]}, {"losses": [1.0, 1.0]})[0])

    def test_the_exit_status_says_whether_a_row_has_a_problem(self):
        for problem, status in (("", 0), ("losses differ by 1.0e+00", 1)):
            row = {"shape": "quick", "row": "plain-f32", "problem": problem}
            with tempfile.TemporaryDirectory() as folder:
                words = ["gpu", "--python", "python", "--out", folder, "--shapes", "quick", "--only", "plain-f32"]
                with (
                    mock.patch.object(sys, "argv", words),
                    mock.patch.object(self.gpu, "machine", return_value={}),
                    mock.patch.object(self.gpu, "prepare"),
                    mock.patch.object(self.gpu, "describe", return_value=""),
                    mock.patch.object(self.gpu, "row", return_value=row),
                ):
                    self.assertEqual(self.gpu.main(), status)

    def test_operations_of_a_step_are_those_of_the_sizes(self):
        text = {"hidden_size": 4, "head_dim": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
        text |= {"intermediate_size": 8, "num_hidden_layers": 3, "vocab_size": 10}
        # q and o: 2 x 16, k and v: 2 x 8, gate, up and down: 3 x 32.
        self.assertEqual(flops.layer(text), 144)
        vision = {"hidden_size": 2, "image_size": 4, "intermediate_size": 4, "num_hidden_layers": 1, "patch_size": 2}
        shape = {"text_config": text, "vision_config": vision, "scale_factor": 1}
        # A patch: 2 x (4 x 4 + 2 x 8 + 12 x 2) for weights, 4 x 2 x 4 for scores, 2 x 2 x 4 for the connector.
        self.assertEqual(flops.image(shape), 4 * (112 + 32 + 16))
        without = 4 * (3 * 144 * 20 + 40 * 5) + 12 * 3 * 4 * 20 * 10
        self.assertEqual(flops.step(shape, 20, 5, 2, 0), without)
        self.assertEqual(flops.step(shape, 20, 5, 2, 3), without + 3 * flops.image(shape))
        self.assertAlmostEqual(flops.utilisation(5e11, 1.0, 1.0), 0.5)

    def test_mfu_is_of_training_in_bf16(self):
        run = {"tokens": [9, 100, 100], "supervised_tokens": [9, 10, 10]}
        arguments = argparse.Namespace(peak_tflops=1.0, warmup=1, batch=2)
        shares = {name: self.gpu.mfu(arguments, "quick", name, [run], 1.0) for name in self.gpu.ROWS}
        self.assertEqual({name for name, share in shares.items() if share != ""}, {name for name in shares if name.endswith("-bf16") and not name.startswith("eval")})
        self.assertLess(shares["chains-cached-bf16"], shares["chains-bf16"])
        arguments.peak_tflops = None
        self.assertEqual(self.gpu.mfu(arguments, "quick", "plain-bf16", [run], 1.0), "")


class Order(unittest.TestCase):
    def test_sides_take_turns_and_no_measurement_is_taken_twice_a_round(self):
        taken = list(runs.rounds(plan.load(HERE / "plan.toml", "full", None).rows))
        self.assertEqual(len(taken), len(set(taken)))
        self.assertEqual([measurement.side for measurement, _ in taken[:2]], ["ours", "peer"])
        self.assertEqual(len({measurement.name for measurement, _ in taken}), len({one for one, _ in taken}))

    def test_sources_take_turns(self):
        self.assertEqual(work.alternating([[1, 2, 3], [4]]), [1, 4, 2, 3])


class Growth(unittest.TestCase):
    def test_slopes(self):
        self.assertAlmostEqual(growth.slope([(x, 3.0 * x) for x in (1, 2, 8)]), 1.0)
        self.assertAlmostEqual(growth.slope([(x, 0.5 * x * x) for x in (1, 2, 8)]), 2.0)

    def test_the_plot_is_well_formed_and_has_every_point(self):
        picture = xml.fromstring(plot.growth({"a < b": [(1, 2.0), (4, 3.0)], "c": [(2, 1.0), (4, 5.0), (8, 9.0)]}))
        self.assertEqual(len(list(picture.iter("{http://www.w3.org/2000/svg}circle"))), 5)


if __name__ == "__main__":
    sys.exit(unittest.main())
