//! TensorBoard reads the event files of a resumed run. Runs only if `STEPWISE_PYTHON` names a Python with
//! the package tensorboard.

use std::collections::BTreeMap;
use std::process::Command;

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_testing::files::parity;
use stepwise_trainer::log::{MetricsLine, Pace, Resumed, RunLog, StepLine, Work};

fn line(step: u64, loss: f64) -> StepLine {
    let (elapsed_time, remaining_time) = Pace::start().times(8 - step, Work::default(), 0);
    StepLine {
        current_steps: step,
        total_steps: 8,
        loss,
        lr: 1e-4 / step as f64,
        epoch: step as f64 / 4.0,
        percentage: step as f64 / 0.08,
        elapsed_time,
        remaining_time,
        phase: "s12".into(),
        stage_loss: BTreeMap::from([(1, loss / 2.0), (2, loss * 2.0)]),
        objective_loss: BTreeMap::from([("pair".to_owned(), loss / 3.0)]),
        objective_weight: BTreeMap::from([("pair".to_owned(), 0.1 * step as f64)]),
        supervised_tokens: 10,
        grad_norm: 0.5,
        wait_for_data: 0.0,
        seconds_per_step: 0.5,
        tokens_per_second: 1000.0,
        peak_memory_mib: None,
        device_memory_mib: None,
    }
}

#[test]
#[allow(clippy::print_stderr)]
fn tensorboard_reads_the_logged_values() {
    let Some(python) = std::env::var_os("STEPWISE_PYTHON") else {
        eprintln!("skipped: STEPWISE_PYTHON is not set");
        return;
    };
    let summary = Summary::new(&Suite::fast(), &[], &[], None);
    let run = tempfile::tempdir().expect("writable");
    let write = |resumed: Option<u64>, steps: std::ops::RangeInclusive<u64>, loss: f64| {
        let resumed = resumed.map(|step| Resumed { step, untested: false });
        let mut log = RunLog::open(run.path(), true, resumed).expect("writable");
        for step in steps {
            assert!(log.step(&line(step, loss / step as f64)).is_empty());
            let metrics = ["gain/robust_accuracy", "benchmark/accuracy/jpeg"];
            let metrics: BTreeMap<String, f64> =
                metrics.into_iter().map(|name| (name.to_owned(), 0.1 * step as f64)).collect();
            let forgetting = (step % 4 == 0).then(|| Forgetting::new(&summary));
            let line = MetricsLine {
                current_steps: step,
                epoch: step as f64 / 4.0,
                phase: "s12",
                metrics: &metrics,
                best: None,
                forgetting: forgetting.as_ref(),
            };
            assert!(log.metrics(&line).is_empty());
        }
    };
    write(None, 1..=6, 3.0);
    // A killed process leaves half a record.
    let first = std::fs::read_dir(run.path().join("runs")).expect("there").next().expect("one").expect("there").path();
    let length = first.metadata().expect("there").len();
    std::fs::OpenOptions::new().write(true).open(&first).and_then(|file| file.set_len(length - 5)).expect("cut");
    // Steps 5 to 8 are written again and must occur once, with the new values.
    write(Some(4), 5..=8, 2.0);

    let script = parity().join("read_events.py");
    let output = Command::new(python).arg(script).arg(run.path()).output().expect("the Python starts");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complained}");
    let tags = [
        "1_main/gain_robust_accuracy",
        "1_main/loss",
        "2_train/grad_norm",
        "2_train/lr",
        "2_train/objective/pair/loss",
        "2_train/objective/pair/weight",
        "2_train/phase/s12/loss",
        "2_train/stage/1/loss",
        "2_train/tokens_per_second",
        "7_benchmark_by_condition/accuracy/jpeg",
    ];
    for tag in tags {
        assert!(said.contains(&format!("\"{tag}\"")), "{tag} is not among {said}");
    }
    let groups: Vec<&str> = said.split('"').filter_map(|tag| Some(tag.split_once('/')?.0)).collect();
    assert!(groups.is_sorted() && groups.first() == Some(&"1_main"), "{groups:?}");
    assert!(said.contains("\"tensors\": [\"forgetting\"]"), "{said}");
}
