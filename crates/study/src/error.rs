//! Errors of studies.

use std::path::{Path, PathBuf};

use stepwise_benchmark::suite_file::SuiteError;
use stepwise_recipe::RecipeError;
use stepwise_trainer::cases::CasesError;

use crate::budget::Unequal;

/// Why a study cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The study or its base recipe cannot be read, or is not UTF-8.
    #[error(
        "{}: {source} -> {}",
        path.display(),
        stepwise_data::io::bounded::advice(source, "check the path of the study, or of its `base`: TOML files in UTF-8")
    )]
    Read {
        /// Path of the study or of its base recipe.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The study file is wrong.
    #[error(transparent)]
    Invalid(RecipeError),
    /// The base recipe with the changes of an arm is not valid.
    #[error("the recipe of the arm `{arm}` cannot be used:\n{error}")]
    Recipe {
        /// Name of the arm.
        arm: String,
        /// Problems of its recipe.
        error: Box<RecipeError>,
    },
    /// The suite of the benchmark cannot be loaded.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// The study is inconsistent, or its folder does not match it.
    #[error("{}: {what} -> {advice}", path.display())]
    Senseless {
        /// File or folder with the problem.
        path: PathBuf,
        /// The problem.
        what: String,
        /// Advice on what to do.
        advice: String,
    },
    /// The cases of an arm cannot be loaded.
    #[error("the arm `{arm}`: {error}")]
    Cases {
        /// Name of the arm.
        arm: String,
        /// The cause.
        error: CasesError,
    },
    /// The training budget of an arm cannot be counted, or its runs may end early.
    #[error("the arm `{arm}`: {problem}")]
    Budget {
        /// Name of the arm.
        arm: String,
        /// The problem, with advice where there is any.
        problem: String,
    },
    /// The training budgets of the arms differ.
    #[error("{0}")]
    Unequal(Unequal),
    /// A file or folder of the study, its inputs or its runs cannot be read.
    #[error("{}: cannot be read: {error} -> check that it exists and is readable", path.display())]
    Unread {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// A file of the study cannot be written.
    #[error("{}: {error} -> check that the folder is writable and the disk has room", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The study, its inputs or its training examples have changed since the first run.
    #[error(
        "{}: the study has changed since its first run: {what} -> undo the change, or name another `output_dir`", path.display()
    )]
    Changed {
        /// Path of the manifest.
        path: PathBuf,
        /// The first difference.
        what: String,
    },
    /// The study has no task with this number.
    #[error(
        "there is no task {task}: the study has {count} tasks, counted from 0 -> see `stepwise study run FILE --dry-run`"
    )]
    NoTask {
        /// The requested number.
        task: usize,
        /// Number of tasks.
        count: usize,
    },
}

impl StudyError {
    /// Returns a function that turns an error of reading the file or folder `path` into a [`StudyError::Unread`].
    pub(crate) fn unread(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |error| Self::Unread { path: path.into(), error }
    }

    /// Returns a function that turns an error of writing the file or folder `path` into a [`StudyError::File`].
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |error| Self::File { path: path.into(), error }
    }
}
