//! Studies: a base recipe, arms that differ from it in named keys, seeds. Each arm and seed is a run in a folder of its own.
//!
//! What is to be run is written down before anything runs, in a manifest whose digest guards against a study that is changed
//! under way. Runs know nothing of each other: whoever runs task K, on whatever machine that sees the folder, claims it,
//! finishes it or leaves it to be resumed.

pub mod budget;
pub mod claim;
pub mod collect;
mod file;
pub mod holder;
pub mod manifest;
mod reference_page;
pub mod report;
mod same_cases;
pub mod summary;
pub mod task;
mod unequal_budget;

use std::path::{Path, PathBuf};

use stepwise_benchmark::metrics::endpoints;
use stepwise_benchmark::suite::{Suite, SuiteError};
use stepwise_config::nearest::nearest;
use stepwise_recipe::{Problem, RecipeError};
use stepwise_trainer::cases::{Cases, CasesError};
use stepwise_trainer::evaluation::epochs;

pub use file::{Axis, AxisArm, StudyFile, reference};
pub use reference_page::markdown;
pub use task::Task;
pub use unequal_budget::UnequalBudget;

use crate::summary::EFFECTIVE;

/// Why a study cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The file cannot be read.
    #[error("{}: {source} -> check the path of the study, or of its `base`: TOML files in UTF-8", path.display())]
    Read {
        /// Of the study, or of its base.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something wrong.
    #[error("{}", listed(path, problems))]
    Invalid {
        /// Of the study.
        path: PathBuf,
        /// All of them, in the order of the file.
        problems: Vec<Problem>,
    },
    /// The base recipe, or what an arm makes of it.
    #[error("the recipe of the arm `{arm}` cannot be used:\n{error}")]
    Recipe {
        /// The arm.
        arm: String,
        /// What is wrong with it.
        error: Box<RecipeError>,
    },
    /// The suite of the benchmark.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// The study as a whole makes no sense.
    #[error("{}: {what} -> {advice}", path.display())]
    Senseless {
        /// Of the study.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The cases of an arm.
    #[error("the arm `{arm}`: {error}")]
    Cases {
        /// The arm.
        arm: String,
        /// Why.
        error: CasesError,
    },
    /// What an arm would teach cannot be counted.
    #[error("the arm `{arm}`: {problem}")]
    Budget {
        /// The arm.
        arm: String,
        /// Why.
        problem: String,
    },
    /// Arms are taught more or less than others.
    #[error("{0}")]
    Unequal(budget::Unequal),
    /// A file that the study needs, or that its runs have left, cannot be read.
    #[error("{}: cannot be read: {error} -> check that the file exists and may be read", path.display())]
    Unread {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file of the study cannot be written.
    #[error("{}: {error} -> check that the folder is writable and the disk has room", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The runs that are there were made by another study.
    #[error(
        "{}: the study has changed since its first run: {what} -> undo the change, or name another `output_dir`", path.display()
    )]
    Changed {
        /// The manifest.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// There is no such task.
    #[error("there is no task {task}: the study has {count}, counted from 0 -> see `stepwise study FILE --dry-run`")]
    NoTask {
        /// The number asked for.
        task: usize,
        /// How many there are.
        count: usize,
    },
}

impl StudyError {
    fn unread(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |error| Self::Unread { path: path.into(), error }
    }

    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |error| Self::File { path: path.into(), error }
    }
}

fn listed(path: &Path, problems: &[Problem]) -> String {
    let all: String = problems.iter().map(|problem| format!("{problem}\n\n")).collect();
    format!("{all}{}: {} problem{}", path.display(), problems.len(), if problems.len() == 1 { "" } else { "s" })
}

/// A study, checked: every arm's recipe can be read, and every endpoint is one that the benchmark measures.
#[derive(Clone, Debug)]
pub struct Study {
    /// Where its file lies.
    pub path: PathBuf,
    /// As written.
    pub file: StudyFile,
    /// The base recipe's text, as written.
    pub base_text: String,
    /// In the order of the file; of several axes the last one varies fastest.
    pub arms: Vec<Arm>,
    /// Place of the arm that all others are compared with.
    pub reference: usize,
    /// Every arm with every seed: the arms of the first seed first, so that a study broken off is still one of whole seeds.
    pub tasks: Vec<Task>,
    /// What the benchmark asks; one and the same for all arms.
    pub suite: Suite,
}

/// One arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The names of its values, joined by `+`.
    pub name: String,
    /// Laid over the base, as `--set` arguments.
    pub set: Vec<String>,
}

impl Study {
    /// Reads the study at `path`, its base recipe, and the recipe of every arm.
    ///
    /// # Errors
    /// When a file cannot be read, and with what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        let text =
            |path: &Path| std::fs::read(path).and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other));
        let written = text(path).map_err(|source| StudyError::Read { path: path.into(), source })?;
        let file = StudyFile::parse(path, written)?;
        let base_text = text(&file.base).map_err(|source| StudyError::Read { path: file.base.clone(), source })?;
        let senseless = |what: String, advice: String| StudyError::Senseless { path: path.into(), what, advice };
        let arms = arms(&file);
        if let Some(twice) =
            arms.iter().enumerate().find_map(|(place, arm)| arms[..place].iter().find(|a| a.name == arm.name))
        {
            let advice = "rename one of its values".to_owned();
            return Err(senseless(format!("two arms are called `{}`", twice.name), advice));
        }
        let names = || arms.iter().map(|arm| arm.name.as_str());
        let reference = match &file.reference {
            None => 0,
            Some(wanted) => names().position(|name| name == wanted).ok_or_else(|| {
                let all = names().collect::<Vec<_>>().join(", ");
                senseless(format!("reference: there is no arm `{wanted}`"), format!("name one of {all}"))
            })?,
        };
        let mut tasks = Vec::new();
        for seed in &file.seeds {
            for (arm, Arm { name, set }) in arms.iter().enumerate() {
                tasks.push(Task::new(tasks.len(), &file, &base_text, (arm, name), set, *seed)?);
            }
        }
        let of_first_seed = tasks.chunk_by(|a, b| a.seed == b.seed).next().unwrap_or_default();
        if let Some((first, second)) = twins(of_first_seed) {
            let (first, second) = (&arms[first].name, &arms[second].name);
            let what = format!("the arms `{first}` and `{second}` come to one recipe");
            return Err(senseless(what, "let them differ in a key that decides what is learned, or remove one".into()));
        }
        let suite = suite(path, &tasks, &arms)?;
        let study = Self { path: path.into(), file, base_text, arms, reference, tasks, suite };
        study.check_primary()?;
        Ok(study)
    }

    /// The task with this number.
    ///
    /// # Errors
    /// When there is none.
    pub fn task(&self, task: usize) -> Result<&Task, StudyError> {
        self.tasks.get(task).ok_or(StudyError::NoTask { task, count: self.tasks.len() })
    }

    /// What the base of `task` has answered in another run of the study, whose recipe asks the same base the same questions;
    /// none where no such run has come so far.
    #[must_use]
    pub fn base_answers(&self, task: &Task) -> Option<PathBuf> {
        let base = task.recipe.base_digest();
        let others =
            self.tasks.iter().filter(|other| other.number != task.number && other.recipe.base_digest() == base);
        others.map(|other| epochs::base_outcomes(other.folder())).find(|path| path.is_file())
    }

    /// The cases of a task.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn cases(&self, task: &Task) -> Result<Cases, StudyError> {
        let arm = || self.arms[task.arm].name.clone();
        Cases::open(&task.recipe.data).map_err(|error| StudyError::Cases { arm: arm(), error })
    }

    fn check_primary(&self) -> Result<(), StudyError> {
        let known = endpoints(&self.suite);
        for id in &self.file.primary {
            if let Some(attack) = id.strip_prefix(EFFECTIVE) {
                let what = format!(
                    "primary: `{id}` cannot be primary: whether the reference's line can be used shows after the runs"
                );
                let advice = format!("name `accuracy:{attack}`; the report has the other beside it");
                return Err(StudyError::Senseless { path: self.path.clone(), what, advice });
            }
            if !known.contains(id) {
                let advice = match nearest(id, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name metrics as a run's `summary.json` does, such as `chain_accuracy`".to_owned(),
                };
                let what = format!("primary: the suite `{}` has no metric `{id}`", self.suite.name);
                return Err(StudyError::Senseless { path: self.path.clone(), what, advice });
            }
        }
        Ok(())
    }
}

/// One value of every axis, in all combinations.
fn arms(file: &StudyFile) -> Vec<Arm> {
    let mut arms = vec![Arm { name: String::new(), set: file.set.clone() }];
    for axis in &file.axes {
        let joined = |arm: &Arm, value: &AxisArm| Arm {
            name: if arm.name.is_empty() { value.name.clone() } else { format!("{}+{}", arm.name, value.name) },
            set: arm.set.iter().chain(&value.set).cloned().collect(),
        };
        arms =
            arms.iter().flat_map(|arm| axis.arms.iter().map(|value| joined(arm, value)).collect::<Vec<_>>()).collect();
    }
    arms
}

/// The first two arms of one seed whose runs would be one and the same.
fn twins(of_seed: &[Task]) -> Option<(usize, usize)> {
    let digests: Vec<String> = of_seed.iter().map(|task| task.recipe.digest()).collect();
    let twin = |(place, digest): (usize, &String)| {
        Some((digests[..place].iter().position(|earlier| earlier == digest)?, place))
    };
    digests.iter().enumerate().find_map(twin)
}

/// The suite that all arms ask.
fn suite(path: &Path, tasks: &[Task], arms: &[Arm]) -> Result<Suite, StudyError> {
    let senseless =
        |what: String, advice: &str| StudyError::Senseless { path: path.into(), what, advice: advice.into() };
    let mut found: Option<(Suite, String)> = None;
    for task in tasks {
        let arm = &arms[task.arm].name;
        let Some(suite) = epochs::suite(&task.recipe)? else {
            let what = format!("the arm `{arm}` is not benchmarked");
            return Err(senseless(what, "set `benchmark.suite` in the base: arms are compared by its metrics"));
        };
        match &found {
            Some((first, of)) if first.digest() != suite.digest() => {
                let what = format!("the arms `{of}` and `{arm}` would be asked by different suites");
                return Err(senseless(what, "give all arms the same `[benchmark]` and `train.answer_form`"));
            }
            Some(_) => {}
            None => found = Some((suite, arm.clone())),
        }
    }
    found.map(|(suite, _)| suite).ok_or_else(|| senseless("there is nothing to run".into(), "add an axis and a seed"))
}

#[cfg(test)]
mod tests {
    use crate::*;

    #[test]
    fn the_ready_studies_can_be_run() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = tempfile::tempdir().expect("a folder");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(root.join("recipes")).expect("recipes") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if !name.starts_with("study-") {
                continue;
            }
            // Their paths are meant from the root of the repository.
            let text = std::fs::read_to_string(&path).expect("text");
            let copy = folder.path().join(&name);
            std::fs::write(&copy, text.replace("\"recipes/", &format!("\"{}/recipes/", root.display())))
                .expect("written");
            let study = Study::load(&copy).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(study.file.seeds.len() >= 3 && study.arms.len() > 1, "{name}");
            names.push(name);
        }
        names.sort_unstable();
        let block = |name: &str| names.iter().any(|found| found == &format!("study-{name}.toml"));
        assert!(
            ["order", "order-real", "rewarm-real", "context", "evidence", "adversarial", "adapter"]
                .into_iter()
                .all(block),
            "{names:?}"
        );
    }
}
