//! A study: its arms, its tasks and its suite.

use std::path::{Path, PathBuf};

use stepwise_benchmark::metrics::{endpoints, is_endpoint};
use stepwise_benchmark::suite::Suite;
use stepwise_config::nearest::nearest;
use stepwise_data::io::bounded;
use stepwise_recipe::study_file::{AxisArm, StudyFile};
use stepwise_trainer::cases::{Cases, CasesError, LeakRule};
use stepwise_trainer::evaluation::files::base_outcomes;
use stepwise_trainer::evaluation::suite::recipe_suite;
use stepwise_trainer::preflight::leaks;

use crate::error::StudyError;
use crate::summary::EFFECTIVE;
use crate::task::Task;

/// A checked study: the recipe of every arm is valid, and the benchmark measures every primary endpoint.
#[derive(Clone, Debug)]
pub struct Study {
    /// Path of the study file.
    pub path: PathBuf,
    /// The study file as written.
    pub file: StudyFile,
    /// Text of the base recipe, as written.
    pub base_text: String,
    /// Arms in the order of the file. With several axes the last axis varies fastest.
    pub arms: Vec<Arm>,
    /// Index in `arms` of the reference, the arm that all others are compared with.
    pub reference: usize,
    /// One task for every arm and seed. All arms of the first seed come first, so that an unfinished study has
    /// complete seeds.
    pub tasks: Vec<Task>,
    /// Suite of the benchmark, the same for all arms.
    pub suite: Suite,
    /// What happens where a patient or an image is on two sides of the split.
    pub leaks: LeakRule,
}

/// One arm of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Names of its values on all axes, joined by `+`; unique in the study.
    pub name: String,
    /// Changes to the base recipe, as `--set` arguments `KEY=VALUE`.
    pub set: Vec<String>,
}

impl Study {
    /// Returns the name of a task for messages: its arm and its seed.
    ///
    /// # Panics
    /// When the task belongs to another study with more arms.
    #[must_use]
    pub fn task_name(&self, task: &Task) -> String {
        format!("{} seed-{}", self.arms[task.arm].name, task.seed)
    }

    /// Reads the study at `path` and its base recipe, and checks the recipe of every arm.
    ///
    /// # Errors
    /// When the study, its base or a suite cannot be read, a recipe is not valid, two arms have the same name or
    /// recipe, the arms have different suites, or the reference or a primary endpoint does not exist.
    pub fn load(path: &Path) -> Result<Self, StudyError> {
        let written = bounded::text(path).map_err(|source| StudyError::Read { path: path.into(), source })?;
        let file = StudyFile::parse(path, written).map_err(StudyError::Invalid)?;
        let base_text =
            bounded::text(&file.base).map_err(|source| StudyError::Read { path: file.base.clone(), source })?;
        let senseless = |what: String, advice: String| StudyError::Senseless { path: path.into(), what, advice };
        let arms = arms(&file);
        if let Some(twice) =
            arms.iter().enumerate().find_map(|(place, arm)| arms[..place].iter().find(|a| a.name == arm.name))
        {
            let advice = "rename one of the values".to_owned();
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
            let what = format!("the arms `{first}` and `{second}` have the same recipe");
            return Err(senseless(
                what,
                "change a key that decides the trained weights in one of them, or remove one".into(),
            ));
        }
        let suite = shared_suite(path, &tasks, &arms)?;
        let leaks = LeakRule::Refuse;
        let study = Self { path: path.into(), file, base_text, arms, reference, tasks, suite, leaks };
        study.check_primary()?;
        Ok(study)
    }

    /// Returns the task with the number `task`, counted from 0.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn task(&self, task: usize) -> Result<&Task, StudyError> {
        self.tasks.get(task).ok_or(StudyError::NoTask { task, count: self.tasks.len() })
    }

    /// Returns the file with the answers of the untrained base from another run of the study that evaluates the same
    /// base on the same questions. None when no such run has evaluated its base yet.
    #[must_use]
    pub fn base_answers(&self, task: &Task) -> Option<PathBuf> {
        let base = task.recipe.base_digest();
        let others =
            self.tasks.iter().filter(|other| other.number != task.number && other.recipe.base_digest() == base);
        others.map(|other| base_outcomes(other.folder())).find(|path| path.is_file())
    }

    /// Loads the cases of a task and splits them into training and evaluation cases. A patient or an image on two sides
    /// of the split is accepted, because the cases of finished runs are loaded too.
    ///
    /// # Errors
    /// When the cases cannot be read, or a split has none.
    pub fn cases(&self, task: &Task) -> Result<Cases, StudyError> {
        Cases::open_with_leaks(&task.recipe.data).map_err(|error| self.of_arm(task, error))
    }

    /// Loads the cases of a task, and checks that no patient, and no image, equal or nearly equal, is on two sides of the
    /// split.
    ///
    /// # Errors
    /// The errors of [`Study::cases`], and when there are such patients or images, unless [`Study::leaks`] allows them.
    pub(crate) fn checked_cases(&self, task: &Task) -> Result<Cases, StudyError> {
        let cases = self.cases(task)?;
        leaks::check(&cases, self.leaks).map_err(|error| self.of_arm(task, error))?;
        Ok(cases)
    }

    fn of_arm(&self, task: &Task, error: CasesError) -> StudyError {
        StudyError::Cases { arm: self.arms[task.arm].name.clone(), error }
    }

    fn check_primary(&self) -> Result<(), StudyError> {
        let known = endpoints(&self.suite);
        for id in &self.file.primary {
            if let Some(attack) = id.strip_prefix(EFFECTIVE) {
                let what = format!(
                    "primary: `{id}` cannot be primary: it is defined only if the reference's line can be fitted after the runs"
                );
                let advice = format!("name `accuracy:{attack}`; the report shows effective robustness beside it");
                return Err(StudyError::Senseless { path: self.path.clone(), what, advice });
            }
            if !is_endpoint(&self.suite, id) {
                let advice = match nearest(id, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "use the metric names of a run's `summary.json`, such as `chain_accuracy`".to_owned(),
                };
                let what = format!("primary: the suite `{}` has no metric `{id}`", self.suite.name);
                return Err(StudyError::Senseless { path: self.path.clone(), what, advice });
            }
        }
        Ok(())
    }
}

/// Makes the arms: every combination of one value of each axis.
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

/// Indices of the first two arms of one seed with the same recipe digest.
fn twins(of_seed: &[Task]) -> Option<(usize, usize)> {
    let digests: Vec<String> = of_seed.iter().map(|task| task.recipe.digest()).collect();
    let twin = |(place, digest): (usize, &String)| {
        Some((digests[..place].iter().position(|earlier| earlier == digest)?, place))
    };
    digests.iter().enumerate().find_map(twin)
}

/// Loads the suite that all arms share. Fails when an arm has no suite, or two arms have different ones.
fn shared_suite(path: &Path, tasks: &[Task], arms: &[Arm]) -> Result<Suite, StudyError> {
    let senseless =
        |what: String, advice: &str| StudyError::Senseless { path: path.into(), what, advice: advice.into() };
    let mut found: Option<(Suite, String)> = None;
    for task in tasks {
        let arm = &arms[task.arm].name;
        let Some(suite) = recipe_suite(&task.recipe)? else {
            let what = format!("the arm `{arm}` has no benchmark");
            return Err(senseless(what, "set `benchmark.suite` in the base: arms are compared by its metrics"));
        };
        match &found {
            Some((first, of)) if first.digest() != suite.digest() => {
                let what = format!("the arms `{of}` and `{arm}` would be evaluated with different suites");
                return Err(senseless(what, "give all arms the same `[benchmark]` and `train.answer_form`"));
            }
            Some(_) => {}
            None => found = Some((suite, arm.clone())),
        }
    }
    found.map(|(suite, _)| suite).ok_or_else(|| senseless("the study has no runs".into(), "add an axis and a seed"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            // Their paths are relative to the root of the repository.
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
