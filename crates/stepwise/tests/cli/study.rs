//! `stepwise study run`, `stepwise study report` and `stepwise study emit`.

use std::fs;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use crate::common::{RECIPE, Ran, Workplace, metric};

/// Study of two arms with equal budgets: 16 training cases fill whole batches in every stage.
const STUDY: &str = r#"base = "base.toml"
output_dir = "out"
seeds = [1, 2]
reference = "joint"
primary = ["chain_accuracy", "accuracy:hint_minus"]

[axes.order]
stepwise = { curriculum.order = "stepwise" }
joint = { curriculum.order = "shuffled" }
"#;

fn base() -> String {
    let (head, rest) = RECIPE.split_once("[[curriculum.phase]]").expect("phases");
    let benchmark = &rest[rest.find("[benchmark]").expect("a benchmark")..];
    let head = head.replace("synth =", "max_samples = 16\nsynth =").replace("output_dir = \"run\"\nseed = 5\n", "");
    format!("{}num_train_epochs = 1\nsave_steps = 2\n\n{benchmark}", head.trim_end().to_owned() + "\n")
}

pub fn furnished() -> Workplace {
    let place = Workplace::new();
    place.write("base.toml", base());
    place.write("order.toml", STUDY);
    place
}

/// Workplace with the finished study, and stderr of the command.
pub static STUDIED: LazyLock<(Workplace, String)> = LazyLock::new(|| {
    let place = furnished();
    let said = place.done("study run order.toml --jobs 2").stderr;
    (place, said)
});

#[test]
fn a_dry_run_counts_what_every_run_is_taught_and_touches_nothing() {
    let place = furnished();
    insta::assert_snapshot!(place.done("study run order.toml --dry-run").shown());
    assert!(!place.path("out").exists());
}

#[test]
fn a_study_reads_a_case_file_as_well_as_a_folder() {
    let place = furnished();
    place.done("data synth cases --cases 60 --seed 1 --image-size 64");
    place.done("data split cases --changing-priors");
    for data in ["cases", "cases/cases-changing-priors.jsonl"] {
        let set = format!("set.data.dataset = \"{data}\"\nreference =");
        place.edit("order.toml", "other.toml", "reference =", &set);
        let stdout = place.done("study run other.toml --dry-run").stdout;
        assert!(stdout.contains("joint"), "{stdout}");
    }
}

#[test]
fn runs_are_made_once_and_the_arms_compared() {
    let (place, said) = &*STUDIED;
    for task in 1..=4 {
        let of_task = said.lines().filter(|line| line.starts_with(&format!("[{task}/4] ")));
        let words: Vec<&str> = of_task.filter_map(|line| line.split_once(": ")?.1.split([' ', ',']).next()).collect();
        assert_eq!(words, ["started", "finished"], "{said}");
    }
    let log = place.read("out/joint/seed-1/trainer_log.jsonl");
    let again = place.done("study run order.toml");
    insta::assert_snapshot!("a finished study", again.shown());
    assert_eq!(place.read("out/joint/seed-1/trainer_log.jsonl"), log);
    assert!(!place.path("out/joint/seed-1.claim").exists());

    insta::assert_snapshot!("the report of a study", place.done("study report order.toml").shown());
    let latex = place.read("out/report/report.tex");
    assert!(latex.contains(
        "\\toprule\narm & endpoint & difference [95 \\% interval] & seeds that agree & p, seeds fixed & p & p adjusted"
    ));
    assert!(place.read("out/report/report.md").contains("| stepwise | chain_accuracy | "));
    let summary: serde_json::Value = serde_json::from_str(&place.read("out/report/summary.json")).expect("JSON");
    let accuracy = &summary["endpoints"]["accuracy:clean"];
    let of_run = |arm: &str, seed: u64, epoch: u32| {
        let path = format!("out/{arm}/seed-{seed}/benchmark/epoch-{epoch}/summary.json");
        let summary: serde_json::Value = serde_json::from_str(&place.read(&path)).expect("JSON");
        metric(&summary, "accuracy:clean")["value"].as_f64().expect("a share")
    };
    // The values of the study equal the values of its runs.
    for (arm, name, epoch) in [(0, "stepwise", 4), (1, "joint", 1)] {
        let each = [of_run(name, 1, epoch), of_run(name, 2, epoch)];
        assert_eq!(accuracy["arms"][arm]["by_seed"], serde_json::json!(each));
        let mean = accuracy["arms"][arm]["estimate"]["value"].as_f64().expect("a mean");
        assert!((mean - (each[0] + each[1]) / 2.0).abs() < 1e-12);
    }
    let page = place.read("out/report/report.html");
    for part in ["id=\"primary\"", "id=\"curves\"", "id=\"forgetting\"", "id=\"endpoints\"", "class=\"heat\""] {
        assert!(page.contains(part), "{part} is missing");
    }
    let forgetting = place.read("out/report/tables/forgetting.csv");
    assert_eq!(forgetting.lines().count(), 1 + 5 + 2, "base and phases of both arms\n{forgetting}");
}

#[test]
fn the_base_is_asked_by_the_first_run_alone() {
    let place = furnished();
    let joint = "joint = { curriculum.order = \"shuffled\" }\n";
    place.edit(
        "order.toml",
        "order.toml",
        joint,
        &format!("{joint}higher = {{ curriculum.order = \"shuffled\", lora.r = 3 }}\n"),
    );
    place.done("study run order.toml --task 0");
    let base = |run: &str| format!("out/{run}/benchmark/base/outcomes.jsonl");
    // A mark in the stored answers shows which runs reuse them: a run with another seed and curriculum does, a run with
    // another rank does not, because its base may be another model.
    let marked = place.read(&base("stepwise/seed-1")).replace("\"answer\":\"", "\"answer\":\"marked ");
    place.write(&base("stepwise/seed-1"), &marked);
    place.done("study run order.toml --task 4");
    assert_eq!(place.read(&base("joint/seed-2")), marked);
    place.done("study run order.toml --task 2");
    assert!(!place.read(&base("higher/seed-1")).contains("marked"));
}

#[test]
fn a_killed_run_is_taken_over_and_ends_as_one_that_was_never_killed() {
    let place = furnished();
    let mut child =
        place.command(&["study", "run", "order.toml", "--task", "0"]).stderr(Stdio::null()).spawn().expect("started");
    let began = Instant::now();
    while !place.path("out/stepwise/seed-1/checkpoint-2").is_dir() {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(!place.path("out/stepwise/seed-1/finished.json").exists(), "it was killed too late to show anything");
    assert!(place.path("out/stepwise/seed-1.claim").is_file(), "nobody gives a killed run's claim back");
    assert!(place.done("study run order.toml --dry-run").stdout.contains("stopped after step"));
    let said = place.done("study run order.toml --task 0").stderr;
    assert!(said.contains("left behind by process") && said.contains("resumed after step"), "{said}");
    assert!(said.ends_with("stepwise seed-1: finished after step 16\n"), "{said}");
    for name in
        ["checkpoint-16/adapter_model.safetensors", "benchmark/epoch-4/outcomes.jsonl", "benchmark/forgetting.json"]
    {
        let file = |place: &Workplace| fs::read(place.path(&format!("out/stepwise/seed-1/{name}"))).expect("there");
        assert!(file(&place) == file(&STUDIED.0), "{name} differs");
    }
    assert!(place.done("study run order.toml --task 0").stderr.contains("finished before"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_all_runs_and_the_same_command_goes_on() {
    let place = furnished();
    place.edit("base.toml", "base.toml", "num_train_epochs = 1", "num_train_epochs = 30");
    let mut child =
        place.command(&["study", "run", "order.toml", "--jobs", "2"]).stderr(Stdio::piped()).spawn().expect("started");
    let began = Instant::now();
    let runs = ["out/stepwise/seed-1", "out/joint/seed-1"];
    while !runs.iter().all(|run| place.path(run).join("checkpoint-2").is_dir()) {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoints");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill exists").success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut said).expect("text");
    assert_eq!(child.wait().expect("ended").code(), Some(130), "{said}");
    assert_eq!(said.matches("saved and stopped after").count(), 2, "{said}");
    assert!(said.ends_with("interrupted: run the same command again to continue the runs\n"), "{said}");
    for run in runs {
        assert!(!place.path(&format!("{run}.claim")).exists() && !place.path(run).join("finished.json").exists());
    }
    let states = place.done("study run order.toml --dry-run").stdout;
    assert_eq!(states.matches("stopped after step").count(), 2, "{states}");
    assert_eq!(states.matches("to be run").count(), 2, "{states}");
}

#[test]
fn two_studies_at_once_share_the_runs() {
    let place = furnished();
    let both = [(); 2].map(|()| {
        let mut command = place.command(&["study", "run", "order.toml"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    });
    let both = both.map(|child| Ran::from(child.wait_with_output().expect("ended")));
    let said = format!("{}\n{}", both[0].stderr, both[1].stderr);
    // The process that ends first may leave a run to the other process, and reports it.
    assert!(both.iter().any(|ran| ran.code == Some(0)), "{said}");
    for ran in &both {
        let left = ran.stderr.contains("not finished, is being run by process");
        assert_eq!(ran.code, Some(if left { 3 } else { 0 }), "{said}");
    }
    assert_eq!((said.matches(": finished in ").count(), said.matches("failed").count()), (4, 0), "{said}");
    for run in ["out/stepwise/seed-1", "out/joint/seed-1", "out/stepwise/seed-2", "out/joint/seed-2"] {
        let file = |place: &Workplace| fs::read(place.path(&format!("{run}/checkpoint-16/adapter_model.safetensors")));
        assert!(file(&place).expect("there") == file(&STUDIED.0).expect("there"), "{run} differs");
        assert!(!place.path(&format!("{run}.claim")).exists());
    }
}

#[test]
fn what_another_machine_runs_is_left_to_it_until_it_has_been_silent_for_long() {
    let place = furnished();
    let claim = "out/joint/seed-1.claim";
    place.write(claim, r#"{"host":"elsewhere","pid":1,"started":1}"#);
    let ran = place.run("study run order.toml --jobs 2");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{}", ran.stderr);
    assert_eq!(
        ran.stderr.matches("] joint seed-1: is being run by process 1 on elsewhere\n").count(),
        1,
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.matches(": finished in ").count(), 3, "{}", ran.stderr);
    assert_eq!(
        ran.stderr.split_once("[2/4] joint seed-1: not").expect("what is not finished").1,
        " finished, is being run by process 1 on elsewhere\nerror: the study is not finished: 1 run left to other processes \
         -> start the same command again once they have ended\n"
    );
    let ran = place.run("study run order.toml --task 1 --no-wait");
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(
        ran.stderr,
        "error: joint seed-1: is being run by process 1 on elsewhere -> wait for that process, or end it first\n"
    );
    // The other machine failed: the command waits for the last seconds of the five minutes after
    // which its claim is stale.
    let file = fs::OpenOptions::new().write(true).open(place.path(claim)).expect("there");
    file.set_modified(SystemTime::now() - Duration::from_secs(297)).expect("touched");
    let said = place.done("study run order.toml --task 1").stderr;
    let words = [
        "joint seed-1: is being run by process 1 on elsewhere; waited 0:00:00, taken over after 0:00:0",
        "joint seed-1: left behind by process 1 on elsewhere, taken over\n",
        "joint seed-1: finished after step 16\n",
    ];
    assert!(words.iter().all(|words| said.matches(words).count() == 1), "{said}");
    place.done("study run order.toml");
}

/// Step of the newest checkpoint of a run; None without a checkpoint.
#[cfg(unix)]
fn saved(place: &Workplace, run: &str) -> Option<u64> {
    let entries = fs::read_dir(place.path(run)).ok()?.flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("checkpoint-")?.parse().ok()).max()
}

#[cfg(unix)]
#[test]
fn a_batch_job_saves_when_it_is_ended_and_is_requeued_only_when_its_time_is_up() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    let place = furnished();
    place.edit("base.toml", "base.toml", "num_train_epochs = 1", "num_train_epochs = 30");
    place.write("job.sh", place.done("study emit order.toml --target slurm --device cpu").stdout);
    place.write("requeued", "");
    place.write("bin/scontrol", "#!/bin/sh\necho \"$@\" >>requeued\n");
    fs::set_permissions(place.path("bin/scontrol"), fs::Permissions::from_mode(0o755)).expect("a program");
    symlink(env!("CARGO_BIN_EXE_stepwise"), place.path("bin/stepwise")).expect("a program");
    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").expect("programs"));
    let run = "out/stepwise/seed-1";
    // The signal for a cancelled or preempted job reaches every process; the signal before the time limit
    // reaches the shell only.
    for (signal, to_all, requeued) in [("-TERM", true, ""), ("-USR1", false, "requeue 7_0\n")] {
        let before = saved(&place, run);
        let mut command = Command::new("bash");
        command
            .arg("job.sh")
            .current_dir(place.path(""))
            .env("PATH", &path)
            .env("XDG_CACHE_HOME", place.path("caches"));
        for (name, value) in [("SUBMIT_DIR", "."), ("ARRAY_JOB_ID", "7"), ("ARRAY_TASK_ID", "0")] {
            command.env(format!("SLURM_{name}"), value);
        }
        let job = command.process_group(0).stderr(Stdio::piped()).spawn().expect("started");
        let began = Instant::now();
        while saved(&place, run) == before {
            assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint");
            std::thread::sleep(Duration::from_millis(5));
        }
        let whom = if to_all { format!("-{}", job.id()) } else { job.id().to_string() };
        assert!(Command::new("kill").args([signal, "--", &whom]).status().expect("kill exists").success());
        let ran = Ran::from(job.wait_with_output().expect("ended"));
        assert_eq!(ran.code, Some(130), "{signal}: {}", ran.stderr);
        let step = saved(&place, run).expect("a checkpoint");
        let saved = format!("stepwise seed-1: interrupted after step {step}; run the same command again to continue\n");
        assert!(ran.stderr.ends_with(&saved), "{signal}: {}", ran.stderr);
        assert_eq!(place.read("requeued"), requeued, "{signal}");
        assert!(!place.path(&format!("{run}.claim")).exists(), "released");
    }
}

#[cfg(unix)]
#[test]
fn a_batch_script_quotes_what_slurm_and_the_shell_read() {
    let place = furnished();
    place.edit(
        "order.toml",
        "my study's.toml",
        "output_dir = \"out\"",
        "name = \"order\"\noutput_dir = 'runs at 50% \"'",
    );
    let ran = place.run_args(&["study", "emit", "my study's.toml", "--target", "slurm"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines.contains(&r#"#SBATCH --output="runs at 50%% \"/slurm-%a.out""#), "{}", ran.stdout);
    assert!(
        lines.contains(&r#"stepwise study run 'my study'\''s.toml' --task "$SLURM_ARRAY_TASK_ID" &"#),
        "{}",
        ran.stdout
    );
    place.write("job.sh", &ran.stdout);
    let read = std::process::Command::new("bash").arg("-n").arg(place.path("job.sh")).output().expect("bash exists");
    assert!(read.status.success() && read.stderr.is_empty(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn what_runs_it_elsewhere_is_printed_whole() {
    let place = furnished();
    for target in ["slurm", "kubernetes", "shell"] {
        let ran = place.done(&format!("study emit order.toml --target {target} --device cpu"));
        insta::assert_snapshot!(format!("emit {target}"), ran.stdout);
    }
    assert!(place.path("out/manifest.json").is_file());
}

#[test]
fn studies_that_make_no_sense_are_refused() {
    let place = furnished();
    let mut said = String::new();
    let mut refuse = |what: &str, old: &str, new: &str| {
        place.edit("order.toml", "other.toml", old, new);
        said.push_str(&format!("# {what}\n{}\n", place.refused("study run other.toml --dry-run")));
    };
    refuse("an endpoint that no suite has", "chain_accuracy", "chain_acuracy");
    refuse("a reference that is no arm", "reference = \"joint\"", "reference = \"jiont\"");
    refuse("an arm that is no recipe", "\"stepwise\" }", "\"stepwize\" }");
    refuse("a base that is not there", "base.toml", "bsae.toml");
    let longer = "joint = { curriculum.order = \"shuffled\", train.num_train_epochs = 2 }";
    refuse("arms of unequal budget", "joint = { curriculum.order = \"shuffled\" }", longer);
    refuse("two suites", "\"shuffled\" }", "\"shuffled\", benchmark.suite = \"fast\" }");
    refuse("no benchmark", "\"shuffled\" }", "\"shuffled\", benchmark.suite = \"none\" }");
    refuse("a model that is not there", "\"shuffled\" }", "\"shuffled\", model_name_or_path = \"no/model\" }");
    refuse("cases that are not there", "\"shuffled\" }", "\"shuffled\", data = { dataset = \"no/cases\" } }");
    said.push_str(&format!("# no such task\n{}\n", place.refused("study run order.toml --task 4")));
    said.push_str(&format!("# nothing to report\n{}", place.refused("study report order.toml")));
    insta::assert_snapshot!(said);
}

#[test]
fn unequal_arms_are_compared_where_the_study_says_why() {
    let place = furnished();
    let longer = "joint = { curriculum.order = \"shuffled\", train.num_train_epochs = 2 }";
    place.edit("order.toml", "other.toml", "joint = { curriculum.order = \"shuffled\" }", longer);
    // A single reason covers samples and tokens, but not steps.
    place.edit("other.toml", "plain.toml", "seeds =", "unequal_budget = \"epochs are what is varied\"\nseeds =");
    let refused = place.refused("study run plain.toml --dry-run");
    assert!(refused.contains("differ in steps (seed 1)") && refused.ends_with("{ steps = \"...\" }`\n"), "{refused}");
    let reason = "\"epochs are what is varied\"";
    let reasons = format!("{{ steps = {reason}, samples = {reason}, supervised_tokens = \"more lessons\" }}");
    place.edit("other.toml", "other.toml", "seeds =", &format!("unequal_budget = {reasons}\nseeds ="));
    let ran = place.done("study run other.toml --dry-run");
    let said =
        "budget     may differ in steps and samples: epochs are what is varied; supervised tokens: more lessons\n";
    assert!(ran.stdout.ends_with(said), "{}", ran.stdout);
}

#[test]
fn a_study_that_changed_since_its_first_run_is_refused() {
    let place = furnished();
    place.bring(&STUDIED.0, "out");
    let mut said = String::new();
    for (what, old, new) in [
        ("endpoints", "\"chain_accuracy\", ", ""),
        ("arms", "joint = {", "both = {"),
        ("fewer seeds", "[1, 2]", "[1]"),
        ("seeds before others", "[1, 2]", "[3, 1, 2]"),
        ("reference", "reference = \"joint\"\n", ""),
        ("a recipe", "\"stepwise\" }", "\"stepwise\", train.learning_rate = 1e-3 }"),
    ] {
        let text = STUDY.replace(old, new).replace(
            "reference = \"joint\"",
            if what == "arms" { "reference = \"both\"" } else { "reference = \"joint\"" },
        );
        place.write("order.toml", text);
        said.push_str(&format!("# {what}\n{}\n", place.refused("study run order.toml")));
    }
    place.write("order.toml", STUDY);
    let written = place.read("model/tokenizer_config.json");
    place.write("model/tokenizer_config.json", format!("{written} "));
    said.push_str(&format!("# the tokenizer\n{}", place.refused("study run order.toml")));
    place.write("model/tokenizer_config.json", written);
    fs::write(place.path("model/model.safetensors"), b"another").expect("written");
    said.push_str(&format!("# the base\n{}", place.refused("study run order.toml")));
    insta::assert_snapshot!(said);
}
