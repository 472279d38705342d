use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use stepwise_vlm::model::ModelPart;

use super::*;
use crate::log::Tally;
use crate::selection::{Best, Selection};

fn save(run: &Path, step: u64, content: &str) -> PathBuf {
    write(run, step, |folder| -> Result<(), CheckpointError> {
        fs::write(folder.join("adapter_model.safetensors"), content).map_err(CheckpointError::io(folder))?;
        fs::create_dir(folder.join("parts")).map_err(CheckpointError::io(folder))?;
        fs::write(folder.join("parts/optimizer.safetensors"), format!("{content} {step}"))
            .map_err(CheckpointError::io(folder))
    })
    .expect("written")
}

fn names(run: &Path) -> BTreeSet<String> {
    fs::read_dir(run).expect("there").map(|e| e.expect("there").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_checkpoint_is_complete_and_no_other_file_is_left() {
    let run = tempfile::tempdir().expect("writable");
    let path = save(run.path(), 200, "weights");
    verify(&path).expect("whole");
    assert_eq!(names(run.path()), ["checkpoint-200".to_owned()].into());
    save(run.path(), 200, "others");
    verify(&path).expect("whole again");
    assert_eq!(fs::read_to_string(path.join("adapter_model.safetensors")).expect("there"), "others");
    assert_eq!(names(run.path()), ["checkpoint-200".to_owned()].into());
}

#[test]
fn a_failed_save_leaves_the_old_checkpoint_and_nothing_else() {
    let run = tempfile::tempdir().expect("writable");
    let path = save(run.path(), 200, "weights");
    let failed = write(run.path(), 200, |folder| -> Result<(), CheckpointError> {
        fs::write(folder.join("adapter_model.safetensors"), "half").map_err(CheckpointError::io(folder))?;
        Err(CheckpointError::Io { path: folder.into(), source: std::io::ErrorKind::StorageFull.into() })
    });
    assert!(failed.expect_err("full").to_string().contains("no storage space -> check that the folder is writable"));
    verify(&path).expect("as it was");
    assert_eq!(fs::read_to_string(path.join("adapter_model.safetensors")).expect("there"), "weights");
    assert_eq!(names(run.path()), ["checkpoint-200".to_owned()].into());
}

#[test]
fn the_newest_complete_checkpoint_is_found_behind_damaged_ones() {
    let run = tempfile::tempdir().expect("writable");
    for step in [9, 10, 100, 1000] {
        save(run.path(), step, "weights");
    }
    fs::write(run.path().join("checkpoint-1000/adapter_model.safetensors"), "Weights").expect("writable");
    fs::remove_file(run.path().join("checkpoint-100/parts/optimizer.safetensors")).expect("there");
    fs::create_dir(run.path().join("checkpoint-2000.tmp-1")).expect("writable");
    fs::create_dir(run.path().join("checkpoint-007")).expect("writable");
    let (newest, skipped) = newest_complete(run.path()).expect("readable");
    assert_eq!(newest, Some(10));
    let place = run.path().display();
    assert_eq!(
        skipped,
        [
            format!(
                "{place}/checkpoint-1000: adapter_model.safetensors was changed after it was saved -> skipped, \
                 the previous checkpoint is used"
            ),
            format!(
                "{place}/checkpoint-100: parts/optimizer.safetensors: No such file or directory (os error 2) -> skipped, \
                 the previous checkpoint is used"
            ),
        ]
    );
    assert_eq!(newest_complete(&run.path().join("absent")).expect("none"), (None, Vec::new()));
}

#[test]
fn a_digest_list_with_paths_outside_the_checkpoint_is_refused() {
    let run = tempfile::tempdir().expect("writable");
    let path = save(run.path(), 1, "weights");
    for outside in ["/etc/hostname", "../secret", "a/../../b"] {
        let list = format!(r#"{{"schema":"digest/1","files":{{"{outside}":{{"sha256":"","bytes":0}}}}}}"#);
        fs::write(path.join(DIGEST_FILE), list).expect("writable");
        assert!(verify(&path).expect_err("refused").to_string().contains("is outside the checkpoint"), "{outside}");
    }
}

#[test]
fn leftovers_are_cleared_and_a_renamed_checkpoint_is_restored() {
    let run = tempfile::tempdir().expect("writable");
    save(run.path(), 1, "one");
    save(run.path(), 2, "two");
    let rename = |from: &str, to: &str| fs::rename(run.path().join(from), run.path().join(to)).expect("renamed");
    rename("checkpoint-1", "checkpoint-1.old-77");
    for left in ["checkpoint-2.old-77", "checkpoint-3.tmp-77", "checkpoint-0.gone-77"] {
        fs::create_dir(run.path().join(left)).expect("writable");
    }
    for left in ["trainer_log.jsonl.tmp-77", "trained.jsonl.tmp-77"] {
        fs::write(run.path().join(left), "").expect("writable");
    }
    let tested = run.path().join("benchmark/epoch-1");
    fs::create_dir_all(&tested).expect("writable");
    for name in ["summary.json.tmp-77", "summary.json", "outcomes.part.jsonl"] {
        fs::write(tested.join(name), "").expect("writable");
    }
    for kept in ["checkpoint-2.tmp-mine", "notes.tmp-77"] {
        fs::create_dir(run.path().join(kept)).expect("writable");
    }
    clear_leftovers(run.path()).expect("cleared");
    let expected = ["benchmark", "checkpoint-1", "checkpoint-2", "checkpoint-2.tmp-mine", "notes.tmp-77"];
    let expected = expected.map(str::to_owned);
    assert_eq!(names(&tested), ["outcomes.part.jsonl", "summary.json"].map(str::to_owned).into());
    assert_eq!(names(run.path()), expected.into());
    verify(&run.path().join("checkpoint-1")).expect("whole");
}

#[cfg(unix)]
#[test]
fn links_are_replaced_and_never_replace_a_folder() {
    let run = tempfile::tempdir().expect("writable");
    assert_eq!(linked(run.path(), BEST), None);
    save(run.path(), 1, "one");
    save(run.path(), 2, "two");
    link(run.path(), BEST, 1).expect("linked");
    link(run.path(), BEST, 2).expect("replaced");
    assert_eq!(linked(run.path(), BEST), Some(2));
    verify(&run.path().join(BEST)).expect("the link leads to the checkpoint");
    fs::create_dir_all(run.path().join("last/full")).expect("writable");
    unlink(run.path(), BEST).expect("removed");
    unlink(run.path(), BEST).expect("gone already");
    assert_eq!(linked(run.path(), BEST), None);
    link(run.path(), BEST, 2).expect("linked again");
    link(run.path(), LAST, 1).expect_err("a folder is in the way");
    assert!(run.path().join("last/full").is_dir());
    assert_eq!(names(run.path()).len(), 4);
}

#[cfg(unix)]
#[test]
fn pruning_keeps_the_best_and_the_newest() {
    let run = tempfile::tempdir().expect("writable");
    for step in [1, 2, 3, 4] {
        save(run.path(), step, "weights");
    }
    link(run.path(), BEST, 1).expect("linked");
    assert_eq!(prune(run.path(), 2, 4).expect("pruned"), [2]);
    assert_eq!(steps(run.path()).expect("readable"), [1, 3, 4]);
    assert_eq!(names(run.path()).len(), 4);
}

#[test]
fn a_new_run_does_not_mix_with_an_old_one() {
    let place = tempfile::tempdir().expect("writable");
    let root = place.path().join("run");
    let folder = RunFolder::open(&root, false).expect("new");
    RunFolder::open(&root, false).expect("still without a step");
    save(folder.root(), 1, "weights");
    let message = RunFolder::open(&root, false).expect_err("occupied").to_string();
    assert!(
        message.ends_with(
            "the folder already contains a run -> continue it with `--resume`, or name another `output_dir`"
        )
    );
    RunFolder::open(&root, true).expect("resumed");
}

#[cfg(unix)]
mod killed {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use rand::Rng;

    use super::*;

    const CHILD: &str = "STEPWISE_TEST_CHECKPOINT_CHILD";

    /// Saves checkpoints in an endless loop, each one twice, into the folder named by the environment. Runs in a separate
    /// process, started by [`a_killed_process_leaves_its_last_saved_checkpoint_complete`].
    #[test]
    #[ignore = "started by another test"]
    fn child() {
        let Some(run) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
        for step in 1.. {
            for content in ["first", "second"] {
                save(&run, step, &content.repeat(10_000));
                link(&run, LAST, step).expect("linked");
            }
            prune(&run, 2, step).expect("pruned");
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nsaved {step}").and_then(|()| out.flush()).expect("a pipe");
        }
    }

    #[test]
    fn a_killed_process_leaves_its_last_saved_checkpoint_complete() {
        let mut random = stepwise_data::random::stream(7, &["kill"]);
        for _ in 0..20 {
            let run = tempfile::tempdir().expect("writable");
            let mut child = Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "checkpoint::tests::killed::child", "--ignored", "--nocapture"])
                .env(CHILD, run.path())
                .stdout(Stdio::piped())
                .spawn()
                .expect("started");
            let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
            let saved = |line: String| line.strip_prefix("saved ").and_then(|step| step.parse::<u64>().ok());
            while lines.by_ref().find_map(|line| saved(line.expect("text"))) != Some(2) {}
            std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
            child.kill().expect("alive");
            child.wait().expect("ended");
            let told = lines.map_while(Result::ok).filter_map(saved).last().unwrap_or(2);

            RunFolder::open(run.path(), true).expect("cleared");
            let (newest, skipped) = newest_complete(run.path()).expect("readable");
            assert!(skipped.is_empty(), "{skipped:?}");
            assert!(newest >= Some(told), "told of {told}, found {newest:?}");
            assert!(names(run.path()).iter().all(|name| name == LAST || step_of(name).is_some()));
        }
    }
}

fn tally() -> Tally {
    let mut tally = Tally::default();
    tally.add(3, 0.1 + 0.2);
    tally
}

fn selection() -> Selection {
    let mut selection = Selection::default();
    selection.best = Some(Best {
        metric: "robust_accuracy".into(),
        value: 1.0 / 3.0,
        guard: "accuracy:clean".into(),
        guard_value: Some(0.1 + 0.2),
        epoch: 1,
        step: 10,
    });
    selection
}

fn state() -> TrainerState {
    TrainerState {
        global_step: 12,
        max_steps: 40,
        phase: 1,
        epoch: 2,
        step_in_epoch: 3,
        skipped: Skipped { steps: 3, in_a_row: 1 },
        optimizer_steps: [(ModelPart::Decoder, 4)].into(),
        advanced_early: [(0, 7)].into(),
        since_line: tally(),
        since_epoch: Tally::default(),
        loss_history: vec![StepLoss { step: 10, loss: 0.1 + 0.2 }],
        selection: selection(),
        stopped_early: false,
        untested: true,
        seed: 42,
        recipe_digest: "r".into(),
        prompt_digest: "p".into(),
        random_scheme: RANDOM_SCHEME.into(),
    }
}

#[test]
fn a_state_is_read_again_exactly_and_checks_its_prompts() {
    let folder = tempfile::tempdir().expect("writable");
    let state = state();
    state.write(folder.path()).expect("written");
    assert_eq!(TrainerState::read(folder.path()).expect("there"), state);
    let steps = [(ModelPart::Vision, 9), (ModelPart::Connector, 9), (ModelPart::Decoder, 4)];
    assert_eq!(state.steps(), steps.into());
    assert_eq!(state.continues("p"), Ok(()));
    assert_eq!(state.continues("x"), Err(Incompatible::Prompt));
    let other = TrainerState { random_scheme: "other/1".into(), ..state };
    assert_eq!(other.continues("p"), Err(Incompatible::RandomScheme));
    fs::write(folder.path().join(STATE_FILE), "{\"global_step\": 1}").expect("writable");
    assert!(TrainerState::read(folder.path()).expect_err("incomplete").to_string().contains("missing field"));
}

proptest! {
    #[test]
    fn pruning_keeps_the_limit_the_best_and_the_newest(
        present in prop::collection::btree_set(0u64..50, 1..20),
        limit in 1usize..6,
        best in prop::option::of(0u64..50),
        pick in any::<prop::sample::Index>(),
    ) {
        let present: Vec<u64> = present.into_iter().collect();
        let saved = present[pick.index(present.len())];
        let removed = superfluous(&present, limit, best, saved);
        prop_assert!(!removed.contains(&saved));
        prop_assert!(best.is_none_or(|best| !removed.contains(&best)));
        let kept: Vec<u64> = present.iter().copied().filter(|s| *s <= saved && !removed.contains(s)).collect();
        let beside_best = kept.iter().filter(|step| Some(**step) != best).count();
        prop_assert!(beside_best <= limit);
        // No checkpoint is removed without need, and older ones are removed first.
        let due = present.iter().filter(|step| **step <= saved).count();
        prop_assert!(kept.len() >= due.min(limit));
        for gone in &removed {
            prop_assert!(kept.iter().all(|step| step > gone || Some(*step) == best));
            prop_assert!(present.contains(gone) && *gone < saved);
        }
    }

    #[test]
    fn a_damaged_checkpoint_is_recognised(
        content in prop::collection::vec(any::<u8>(), 1..300),
        file in 0usize..3,
        at in any::<prop::sample::Index>(),
        flip in prop::option::of(1u8..=255),
    ) {
        let run = tempfile::tempdir().expect("writable");
        let path = write(run.path(), 1, |folder| -> Result<(), CheckpointError> {
            for name in ["a.safetensors", "b.json"] {
                fs::write(folder.join(name), &content).map_err(CheckpointError::io(folder))?;
            }
            Ok(())
        }).expect("written");
        prop_assert!(verify(&path).is_ok());
        let damaged = path.join(["a.safetensors", "b.json", DIGEST_FILE][file]);
        let whole = fs::read(&damaged).expect("there");
        let mut bytes = whole.clone();
        let at = at.index(bytes.len());
        match flip {
            // A changed byte.
            Some(bits) => bytes[at] ^= bits,
            // A torn end.
            None => bytes.truncate(at),
        }
        fs::write(&damaged, &bytes).expect("writable");
        // Only a change of white space in the digest file itself is harmless.
        let meaning = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
        let still_means_the_same = file == 2 && meaning(&bytes) == meaning(&whole);
        prop_assert_eq!(verify(&path).is_ok(), still_means_the_same);
    }
}

/// A run whose last checkpoint was written after step 12, and whose best one, where `best` names it, after step 4.
#[cfg(unix)]
fn run_with(best: Option<u64>) -> tempfile::TempDir {
    let run = tempfile::tempdir().expect("writable");
    let choice = best.map(|step| Best {
        metric: "robust_accuracy".into(),
        value: 0.25,
        guard: "accuracy:clean".into(),
        guard_value: Some(0.5),
        epoch: 1,
        step,
    });
    for step in [4, 8, 12] {
        let mut state = TrainerState { global_step: step, ..state() };
        state.selection.best = choice.clone();
        write(run.path(), step, |folder| state.write(folder)).expect("written");
    }
    best.iter().for_each(|step| link(run.path(), BEST, *step).expect("linked"));
    link(run.path(), LAST, 12).expect("linked");
    run
}

#[cfg(unix)]
fn told(run: &Path) -> (u64, String, Vec<String>) {
    let found = Delivered::of_run(run).expect("a checkpoint");
    let hide = |text: String| text.replace(&run.display().to_string(), "run");
    (found.step, hide(found.to_string()), found.warnings.into_iter().map(hide).collect())
}

#[cfg(unix)]
#[test]
fn the_best_checkpoint_is_delivered_and_else_the_newest_with_the_reason() {
    let run = run_with(Some(4));
    let (step, reason, warnings) = told(run.path());
    assert_eq!((step, warnings.len()), (4, 0));
    assert_eq!(
        reason,
        "run/checkpoint-4 is taken: `best`, epoch 1, step 4: robust_accuracy 0.250, accuracy:clean 0.500"
    );
    assert_eq!(Delivered::of_run(run.path()).map(|found| found.label()), Some("checkpoint-4, best".to_owned()));

    // A copy without the link: the recorded choice is taken.
    fs::remove_file(run.path().join(BEST)).expect("removed");
    let (step, reason, warnings) = told(run.path());
    assert_eq!((step, warnings.len()), (4, 0));
    assert!(
        reason.contains("the recorded best, epoch 1, step 4: ") && reason.contains("`best` is missing"),
        "{reason}"
    );
    link(run.path(), BEST, 4).expect("linked");

    // `best` leads nowhere: the newest is taken, and that is said.
    fs::remove_dir_all(run.path().join("checkpoint-4")).expect("removed");
    let (step, reason, warnings) = told(run.path());
    assert_eq!(
        (step, reason.as_str()),
        (12, "run/checkpoint-12 is taken: the newest (`last`), because `best` leads nowhere or is missing")
    );
    assert_eq!(
        warnings,
        ["run/best: leads to checkpoint-4, which is no checkpoint -> restore that folder, or name another checkpoint"]
    );

    // `last` leads nowhere as well.
    fs::remove_dir_all(run.path().join("checkpoint-12")).expect("removed");
    let (step, reason, warnings) = told(run.path());
    assert_eq!((step, warnings.len()), (8, 2));
    assert!(reason.contains("neither `best` nor `last`"), "{reason}");

    let without = run_with(None);
    let (step, reason, warnings) = told(without.path());
    assert_eq!((step, warnings.len()), (12, 0));
    assert!(reason.contains("the newest (`last`)") && reason.contains("there is no `best`"), "{reason}");
    assert_eq!(Delivered::of_run(tempfile::tempdir().expect("writable").path()), None);
}

/// Copies of a run may have absolute links, or folders in place of links.
#[cfg(unix)]
#[test]
fn absolute_links_and_copied_folders_are_followed() {
    let run = run_with(Some(8));
    fs::remove_file(run.path().join(BEST)).expect("removed");
    let target = run.path().join("checkpoint-4").canonicalize().expect("there");
    std::os::unix::fs::symlink(target, run.path().join(BEST)).expect("linked");
    assert_eq!(told(run.path()).0, 4);
    fs::remove_file(run.path().join(BEST)).expect("removed");
    fs::rename(run.path().join("checkpoint-8"), run.path().join(BEST)).expect("renamed");
    let found = Delivered::of_run(run.path()).expect("a checkpoint");
    assert_eq!((found.step, found.folder, found.warnings.len()), (8, run.path().join(BEST), 0));
}
