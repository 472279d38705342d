//! Test set-up: folders to run the command in, a small model, a finished run, and output without varying values.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use stepwise_testing::attacks;

/// Sizes of a model with about 80,000 parameters, too small to learn a task but with every part of a large model.
const SIZES: &str = "vocab_size = 400\nhidden_size = 32\nintermediate_size = 64\nnum_hidden_layers = 2\n\
    num_attention_heads = 4\nnum_key_value_heads = 2\nvision_hidden_size = 32\nvision_intermediate_size = 64\n\
    vision_num_hidden_layers = 1\nvision_num_attention_heads = 2\nimage_size = 64\npatch_size = 16\nscale_factor = 2\n";

/// Recipe of two phases of one epoch each on synthetic cases, each followed by the benchmark of [`SUITE`].
pub const RECIPE: &str = r#"model_name_or_path = "model"
output_dir = "run"
seed = 5

[lora]
r = 2

[data]
synth = { cases = 24, seed = 2, image_size = 64 }

[train]
per_device_train_batch_size = 2
gradient_accumulation_steps = 2
learning_rate = 5e-3
logging_steps = 2
best_model_max_drop = 1.0

[[curriculum.phase]]
stages = [1, 2]
num_train_epochs = 1

[[curriculum.phase]]
stages = [3, 4]
num_train_epochs = 1
replay = 0.2
context = "gold"

[benchmark]
suite = "suite.toml"
max_cases = 2
"#;

/// Suite with one condition of each kind: text, image, gradient, transferred attack, and a control.
pub const SUITE: &str = concat!(
    r#"name = "short"
version = 1
seed = 1
primary = ["hint_minus"]

[[condition]]
id = "clean"
kind = "clean"

[[condition]]
id = "hint_minus"
kind = "hint_minus"

[[condition]]
id = "blank"
kind = "blank"
"#,
    attacks!(fgsm, transfer, random_sign)
);

/// Temporary folder in which commands run.
pub struct Workplace {
    folder: tempfile::TempDir,
}

/// Exit code and output of a command.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Workplace {
    /// Makes an empty folder.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// Makes a folder with `model`, `recipe.toml` and `suite.toml`.
    pub fn new() -> Self {
        let place = Self::empty();
        place.furnish();
        place
    }

    /// Like [`Workplace::new`], and with the finished run of that recipe in `run`.
    pub fn with_run() -> Self {
        let place = Self::new();
        copy(&TRAINED.0.path("run"), &place.path("run"));
        place
    }

    /// Makes a folder that several tests share. It is not removed, because no test is known to be the last; it is in
    /// the build's folder for temporary test files.
    fn kept() -> Self {
        Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder") }
    }

    /// Copies a file or folder from another workplace.
    pub fn bring(&self, other: &Self, name: &str) {
        copy(&other.path(name), &self.path(name));
    }

    fn furnish(&self) {
        self.write("recipe.toml", RECIPE);
        self.write("suite.toml", SUITE);
        copy(&SHARED.path("model"), &self.path("model"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        fs::write(path, content).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes `to` with the text of `from`, in which `new` replaces every `old`. Panics if there is no `old`.
    pub fn edit(&self, from: &str, to: &str, old: &str, new: &str) {
        let text = self.read(from);
        assert!(text.contains(old), "{from} has no {old}");
        self.write(to, text.replace(old, new));
    }

    /// Copies a file or folder within the workplace.
    pub fn copy(&self, from: &str, to: &str) {
        copy(&self.path(from), &self.path(to));
    }

    /// Prepares the command without starting it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_stepwise"));
        command.args(args);
        command
    }

    /// Runs the command in a shell with limits, such as `ulimit -f 40`.
    #[cfg(unix)]
    pub fn limited(&self, limits: &str, line: &str) -> Ran {
        let mut shell = self.program("sh");
        shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_stepwise")]);
        shell.args(line.split_whitespace()).output().expect("the shell starts").into()
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // With RUST_BACKTRACE, failures of a device are printed in full.
        command.current_dir(self.folder.path()).env_remove("COLUMNS").env_remove("RUST_BACKTRACE");
        // Each workplace has its own answer cache, so tests neither share answers nor write to the user's cache folder.
        command.env("XDG_CACHE_HOME", self.path("caches")).env("LOCALAPPDATA", self.path("caches"));
        command
    }

    /// Runs the command with arguments that are separated by spaces.
    pub fn run(&self, line: &str) -> Ran {
        self.run_args(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_args(&self, args: &[&str]) -> Ran {
        self.command(args).output().expect("the command starts").into()
    }

    /// Runs the command, which must succeed.
    pub fn done(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "stepwise {line}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }

    /// Runs the command, which must refuse its input with exit code 2, print nothing on stdout, and print an error with
    /// advice on stderr. Returns stderr.
    pub fn refused(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "stepwise {line}\n{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        let advice = [" -> ", " = help: ", " expected", "For more information"];
        assert!(advice.iter().any(|advice| ran.stderr.contains(advice)), "says not what to do: {}", ran.stderr);
        steady(&ran.stderr)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code();
        // A process without a code was ended by a signal, which every message of a failed test shall name.
        let ending = code.map_or_else(|| format!("{}\n", output.status), |_| String::new());
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) + &ending }
    }
}

impl Ran {
    /// Exit code and output as one text, with times and measured numbers hidden.
    pub fn shown(&self) -> String {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let part = |name: &str, text: &str| match text.is_empty() {
            true => String::new(),
            false => format!("--- {name}\n{}\n", steady(text).trim_end()),
        };
        format!("exit {code}\n{}{}", part("stdout", &self.stdout), part("stderr", &self.stderr))
    }

    /// Like [`Ran::shown`], with step numbers hidden that depend on timing.
    pub fn shown_at_some_step(&self) -> String {
        static STEP: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"\b(after step |checkpoint-|case synth-\d+-|images/synth-\d+-)\d+").expect("a pattern")
        });
        STEP.replace_all(&self.shown(), "${1}N").into_owned()
    }

    /// Rest of stderr from the last `error: `; empty without one.
    pub fn error(&self) -> &str {
        self.stderr.rfind("error: ").map_or("", |start| &self.stderr[start..])
    }

    /// Parses stdout as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Hides values that differ between runs or processors. Each digit becomes `#`, so that columns keep their width.
fn steady(text: &str) -> String {
    static PATTERNS: LazyLock<[(Regex, &str); 5]> = LazyLock::new(|| {
        let regex = |pattern| Regex::new(pattern).expect("a pattern");
        [
            (regex(r"(tokens  )\d+ tokens/s  \d+\.\d+ s(  left )\S+"), "${1}TIME${2}TIME"),
            (regex(r"[+-]?\b\d\.\d{3}\b"), "#.###"),
            (
                regex(
                    r"(?m)^(in use now: program, cases, weights|moments of the optimiser|gradients|cached .+?|prefetched images|kept .+?|temporary tensors|the benchmark|decoded images|together) +\d+$",
                ),
                "${1}  MEMORY",
            ),
            (regex(r"(loss|grad|differ by at most) [#\d.]+(?:e-?\d+)?"), "${1} #"),
            // Written after ten seconds of silence, which depends on the machine.
            (regex(r"(?m)^working: .*\n?"), ""),
        ]
    });
    // A sign is hidden too, with the width kept.
    let signed =
        PATTERNS[1].0.replace_all(
            text,
            |found: &regex::Captures<'_>| {
                if found[0].len() > 5 { "~#.###".to_owned() } else { "#.###".to_owned() }
            },
        );
    let text = PATTERNS[0].0.replace_all(&signed, PATTERNS[0].1);
    let text = PATTERNS[2].0.replace_all(&text, PATTERNS[2].1);
    let text = PATTERNS[3].0.replace_all(&text, PATTERNS[3].1);
    PATTERNS[4].0.replace_all(&text, PATTERNS[4].1).into_owned()
}

/// Copies a file, or a folder with its contents. Symbolic links in folders are copied as links.
pub fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("made");
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            #[cfg(unix)]
            if source.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(&source).expect("a link"), target).expect("linked");
                continue;
            }
            copy(&source, &target);
        }
    } else {
        fs::copy(from, to).expect("copied");
    }
}

/// Workplace with the small model.
static SHARED: LazyLock<Workplace> = LazyLock::new(|| {
    let place = Workplace::kept();
    place.write("sizes.toml", SIZES);
    place.done("new-model model --sizes sizes.toml --cases 40 --seed 3");
    place
});

/// Returns the metric with this id in a summary or a comparison as JSON.
#[track_caller]
pub fn metric<'a>(json: &'a Value, id: &str) -> &'a Value {
    let metrics = json["metrics"].as_array().expect("a list");
    metrics.iter().find(|metric| metric["id"] == id).unwrap_or_else(|| panic!("no metric {id}"))
}

/// Workplace with the finished run of [`RECIPE`], and the output of `stepwise train`.
pub static TRAINED: LazyLock<(Workplace, Ran)> = LazyLock::new(|| {
    let place = Workplace::kept();
    place.furnish();
    let ran = place.done("train recipe.toml");
    (place, ran)
});
