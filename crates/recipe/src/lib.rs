//! A recipe: one TOML file that says everything a run depends on.
//!
//! It has two tiers. The raw one is the file as written, every key and value with its place, and `--set` arguments laid
//! over it. [`Recipe`] is the resolved one: checked, complete, written beside the results as `recipe.resolved.toml`, which
//! loads again to the same recipe. All problems are reported at once.
//!
//! Relative paths start at the working directory, as with most command-line tools, so that a recipe can name its output
//! folder the way a user would type it.

mod augment;
mod benchmark;
mod best_epoch;
mod context;
mod convert;
mod curriculum;
mod data;
mod dataset_weights;
mod early_advance;
mod finetuning;
pub mod foreign_keys;
mod freeze;
mod init_lora_weights;
pub mod lr_schedule;
mod order;
mod preset;
pub mod reference_page;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
mod train;
mod warmup;

use std::fmt;
use std::path::{Path, PathBuf};

pub use foreign_keys::FOREIGN_KEYS;
use serde::Serialize;
use sha2::{Digest, Sha256};
use stepwise_config::document::{Document, Table};
use stepwise_config::kind::INTEGER_MAX;
use stepwise_config::section::{Findings, Section};
use stepwise_data::io::digest::hex;

pub use augment::build;
pub use augment::{Augment, Augmentation};
pub use benchmark::{Benchmark, SuiteChoice};
pub use best_epoch::{BestModelRule, EarlyStopping};
pub use context::Context;
pub use convert::{ImportError, Imported, Left, Tool, import};
pub use curriculum::{Curriculum, Evidence, ExampleKeys, PhaseRecipe, SamplingOrder};
pub use data::{CaseSource, Data, Synth};
pub use early_advance::EarlyAdvance;
pub use finetuning::{Full, LoraRecipe, TargetModules, Tuning};
pub use freeze::Freeze;
pub use init_lora_weights::InitLoraWeights;
pub use order::Order;
pub use preset::{PRESETS, Preset, commented};
pub use stepwise_config::kind::{Accepts, ValueKind};
pub use stepwise_config::problem::{Excerpt, Problem};
pub use stepwise_config::reference::{Key, Reference, SectionKind};
pub use train::{OnNonfinite, ReportTo, Train};

/// The list of phases, `[[curriculum.phase]]`.
const PHASES: &str = "curriculum.phase";

/// A checked and complete recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Folder of the base model, in the Hugging Face layout.
    pub model_name_or_path: PathBuf,
    /// PEFT folder whose adapter is trained on, instead of a fresh one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter_name_or_path: Option<PathBuf>,
    /// Folder the run writes into.
    pub output_dir: PathBuf,
    /// Of every random draw.
    pub seed: u64,
    /// Longest sequence in tokens; a longer example is an error, never cut.
    pub cutoff_len: usize,
    /// Whether large images are shown in tiles; as the model's processor does when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_image_splitting: Option<bool>,
    /// What is trained (`finetuning_type` and its table).
    #[serde(flatten)]
    pub tuning: Tuning,
    /// `[data]`.
    pub data: Data,
    /// `[train]`.
    pub train: Train,
    /// `[curriculum]`.
    pub curriculum: Curriculum,
    /// `[benchmark]`.
    pub benchmark: Benchmark,
}

/// Why a recipe was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("{}: {source} -> check the path of the recipe, a TOML file in UTF-8", path.display())]
    Read {
        /// Of the recipe.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something wrong.
    #[error("{}", Listed(path, problems))]
    Invalid {
        /// Of the recipe.
        path: PathBuf,
        /// All of them, in the order of the file.
        problems: Vec<Problem>,
    },
}

struct Listed<'a>(&'a Path, &'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.1 {
            writeln!(f, "{problem}\n")?;
        }
        let count = self.1.len();
        write!(f, "{}: {count} problem{}", self.0.display(), if count == 1 { "" } else { "s" })
    }
}

impl Recipe {
    /// Reads the recipe at `path`, with each of `overrides` (`lora.r=32`) laid over it.
    ///
    /// # Errors
    /// When the file cannot be read, and with every problem of its text.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, RecipeError> {
        let text =
            stepwise_data::io::bounded::text(path).map_err(|source| RecipeError::Read { path: path.into(), source })?;
        Self::parse(path, text, overrides)
    }

    /// Reads `text` as the recipe at `path`.
    ///
    /// # Errors
    /// With every problem of the text and of the overrides.
    pub fn parse(path: &Path, text: String, overrides: &[String]) -> Result<Self, RecipeError> {
        let invalid = |problems| RecipeError::Invalid { path: path.into(), problems };
        let Document { sources, root } =
            Document::parse(path.display().to_string(), text, overrides).map_err(invalid)?;
        let findings = Findings::new(sources);
        let recipe = read(path, root, &findings);
        let problems = findings.problems(&reference(), &FOREIGN_KEYS);
        if problems.is_empty() { Ok(recipe) } else { Err(invalid(problems)) }
    }

    /// The whole recipe as TOML, every default written out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| unreachable!("a recipe is made of what TOML can say: {error}"))
    }

    /// SHA-256 (lower-case hexadecimal) of what decides the weights: the resolved recipe without the keys that only say
    /// where and how often results are written. A run resumes under the same digest only.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut decisive = self.clone();
        decisive.output_dir = PathBuf::new();
        decisive.train.logging_steps = 1;
        decisive.train.save_steps = 0;
        decisive.train.save_total_limit = None;
        decisive.train.report_to = Vec::new();
        // A run that stopped may go on by skipping the step: it then equals one that skips from the start.
        decisive.train.on_nonfinite = OnNonfinite::Stop;
        decisive.train.feature_cache_gb = 0.0;
        decisive.train.feature_cache_dir = None;
        decisive.train.feature_cache_disk_gb = 0.0;
        hex(&Sha256::digest(decisive.to_toml()))
    }

    /// As [`Recipe::digest`], of what decides how the untouched base answers the benchmark, and of more than that: recipes
    /// that differ in their seed and curriculum alone have one base, asked one suite about the same cases.
    #[must_use]
    pub fn base_digest(&self) -> String {
        let mut asked = self.clone();
        asked.seed = 0;
        asked.curriculum =
            Curriculum { order: None, rewarm: false, examples: ExampleKeys::default(), phase: Vec::new() };
        asked.digest()
    }
}

/// Every key and table there is, in the order of the resolved recipe, documented by the code that reads them.
#[must_use]
pub fn reference() -> Reference {
    let findings = Findings::new(Vec::new());
    read(Path::new("recipe.toml"), Table::new(), &findings);
    findings.reference()
}

fn read(path: &Path, root: Table, findings: &Findings) -> Recipe {
    let mut top = Section::top(root, findings).about("The model, where results go, and what is trained.");
    let model_name_or_path = top.path_required(
        "model_name_or_path",
        "checkpoints/tiny-base",
        "Folder of the base model, in the Hugging Face layout.",
    );
    let adapter_at = top.at("adapter_name_or_path");
    let adapter_name_or_path =
        top.path("adapter_name_or_path", None, "PEFT folder whose adapter is trained on, instead of a fresh one.");
    let output_dir = top
        .path("output_dir", Some("`checkpoints/` and the recipe's file name"), "Folder the run writes into.")
        .unwrap_or_else(|| {
            Path::new("checkpoints").join(path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().as_ref())
        });
    let seed = top.integer("seed", 42, 0..=INTEGER_MAX, "Of every random draw; equal seeds give equal runs.");
    let cutoff_len = top.integer(
        "cutoff_len",
        2048,
        16..=1_048_576,
        "Longest sequence in tokens; a longer example is an error, never cut.",
    ) as usize;
    let do_image_splitting = top.flag_or(
        "do_image_splitting",
        Some("as the model's processor does"),
        "Whether large images are shown in tiles.",
    );
    let tuning = crate::finetuning::read(&mut top);
    if let (Some(_), Tuning::LoraRecipe { lora }) = (&adapter_name_or_path, &tuning)
        && lora.init_lora_weights != InitLoraWeights::default()
    {
        top.report(
            adapter_at.as_ref(),
            "`init_lora_weights` has no effect with `adapter_name_or_path`",
            "remove one of them: an adapter that is trained on is not made anew",
        );
    }
    if adapter_name_or_path.is_some() && matches!(tuning, Tuning::Full { .. }) {
        top.report(
            adapter_at.as_ref(),
            "`adapter_name_or_path` has no effect with `finetuning_type = \"full\"`",
            "remove it, or merge the adapter into the base first with `stepwise export --format merged`",
        );
    }
    let data = data::read(top.section("data").about("Which cases are learned from and tested on."), seed);
    let section = top.section("train").about("Batches, optimiser, schedule, and how often to log and save.");
    let patience_at = section.at("early_stopping_patience");
    let train = train::read(section, &tuning);
    let section = top.section("curriculum").about("Which clinical stages are learned when, and what lessons show.");
    let own = adapter_name_or_path.is_none().then_some(&tuning);
    let curriculum = curriculum::read(section, own, &train, seed);
    let benchmark = benchmark::read(top.section("benchmark").about("What is tested after every epoch."));
    if train.early_stopping.patience.is_some() && benchmark.suite == SuiteChoice::None {
        top.report(
            patience_at.as_ref(),
            "`early_stopping_patience` counts tested epochs, and `benchmark.suite = \"none\"` tests none",
            "set `suite = \"fast\"` in `[benchmark]`, or remove `early_stopping_patience`",
        );
    }
    top.finish();
    Recipe {
        model_name_or_path,
        adapter_name_or_path,
        output_dir,
        seed,
        cutoff_len,
        do_image_splitting,
        tuning,
        data,
        train,
        curriculum,
        benchmark,
    }
}
