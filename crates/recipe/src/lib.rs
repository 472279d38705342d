#![doc = include_str!("../README.md")]

mod augment;
mod benchmark;
mod best_epoch;
mod changes;
mod context;
mod continued_adapter;
mod convert;
mod curriculum;
mod data;
mod dataset_weights;
mod early_advance;
mod finetuning;
mod freeze;
mod init_lora_weights;
pub mod key_aliases;
pub mod lr_schedule;
mod objective;
mod objective_rules;
mod order;
mod pairs;
mod preset;
pub mod reference_page;
#[cfg(test)]
mod schema_tests;
pub mod study_file;
pub mod table_file;
#[cfg(test)]
mod tests;
mod train;
mod warmup;

use std::fmt;
use std::path::{Path, PathBuf};

pub use key_aliases::FOREIGN_KEYS;
use serde::Serialize;
use sha2::{Digest, Sha256};
use stepwise_config::document::{Document, Table};
use stepwise_config::kind::INTEGER_MAX;
use stepwise_config::section::{Findings, Section};
use stepwise_data::box_format::BoxFormat;
use stepwise_data::io::digest::hex;
use stepwise_objectives::Objectives;

use continued_adapter::ContinuedAdapter;

pub use augment::build;
pub use augment::{Augment, Augmentation};
pub use benchmark::{Benchmark, SuiteChoice};
pub use best_epoch::{BestModelRule, EarlyStopping};
pub use changes::KeyChange;
pub use context::Context;
pub use convert::{ConvertError, Converted, Fate, Found, Purpose, Questions, Request, Tool, Translated, convert};
pub use curriculum::{Curriculum, Evidence, ExampleKeys, PhaseRecipe, SamplingOrder};
pub use data::{CaseSource, Data, Synth};
pub use early_advance::EarlyAdvance;
pub use finetuning::{Full, LoraRecipe, TargetModules, Tuning};
pub use freeze::Freeze;
pub use init_lora_weights::InitLoraWeights;
pub use order::Order;
pub use pairs::{PairKind, PairPartner, Pairs};
pub use preset::{PRESETS, Preset, commented};
pub use stepwise_config::kind::{Accepts, ValueKind};
pub use stepwise_config::problem::{Excerpt, Problem};
pub use stepwise_config::reference::{Key, Reference, SectionKind};
pub use train::{OnNonfinite, ReportTo, Train};

/// Checked and complete recipe. Every key has its value, and the rules between keys hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Folder of the base model, in the Hugging Face layout.
    pub model_name_or_path: PathBuf,
    /// PEFT folder of an adapter whose training continues; None starts from a newly initialised adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter_name_or_path: Option<PathBuf>,
    /// Folder that the run writes into.
    pub output_dir: PathBuf,
    /// Seed of all random draws; runs with equal seeds are equal, on GPUs up to rounding.
    pub seed: u64,
    /// Longest allowed sequence in tokens, 16 to 1,048,576. A longer question or training example is an error;
    /// nothing is truncated.
    pub cutoff_len: usize,
    /// Whether large images are split into tiles; None keeps the setting of the model's processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_image_splitting: Option<bool>,
    /// Whether crops of long images are shown after the whole image (pan and scan of Gemma 3); None keeps the setting of the
    /// model's processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_pan_and_scan: Option<bool>,
    /// Largest number of pixels of a resized image; None keeps the setting of the model's processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_max_pixels: Option<u64>,
    /// Smallest number of pixels of a resized image; None keeps the setting of the model's processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_min_pixels: Option<u64>,
    /// Unit of box coordinates in questions and answers; None is the unit with which the model's family was trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub box_format: Option<BoxFormat>,
    /// Kind of training: `finetuning_type` and its table.
    #[serde(flatten)]
    pub tuning: Tuning,
    /// Table `[data]`.
    pub data: Data,
    /// Table `[train]`.
    pub train: Train,
    /// Table `[objective]`: the objective of phases that have none of their own.
    #[serde(skip_serializing_if = "Objectives::is_plain")]
    pub objective: Objectives,
    /// Table `[curriculum]`.
    pub curriculum: Curriculum,
    /// Table `[benchmark]`.
    pub benchmark: Benchmark,
}

/// Errors of loading a recipe or a study file.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read, or is not UTF-8.
    #[error(
        "{}: {source} -> {}",
        path.display(),
        stepwise_data::io::bounded::advice(source, "check the path of the recipe, a TOML file in UTF-8")
    )]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system, or of the decoding.
        source: std::io::Error,
    },
    /// The file or a `--set` argument is wrong.
    #[error("{}", Listed(path, problems))]
    Invalid {
        /// Path of the file.
        path: PathBuf,
        /// All problems, in the order of the file.
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
    /// Reads the recipe at `path` and applies each of `overrides`, the arguments of `--set` such as `lora.r=32`, to it.
    /// No other file is read.
    ///
    /// # Errors
    /// When the file cannot be read, is not UTF-8 or too large, or when it or an override is not TOML, has an unknown
    /// key or a wrong value, lacks a required key or breaks a rule between keys; the error lists every problem.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, RecipeError> {
        let text =
            stepwise_data::io::bounded::text(path).map_err(|source| RecipeError::Read { path: path.into(), source })?;
        Self::parse(path, text, overrides)
    }

    /// Reads `text` as the recipe at `path` and applies `overrides`, the arguments of `--set`. The path is used in
    /// messages and names the default `output_dir`; no file is read.
    ///
    /// # Errors
    /// When the text or an override is not TOML, has an unknown key or a wrong value, lacks a required key or breaks a
    /// rule between keys; the error lists every problem.
    pub fn parse(path: &Path, text: String, overrides: &[String]) -> Result<Self, RecipeError> {
        let invalid = |problems| RecipeError::Invalid { path: path.into(), problems };
        let Document { sources, root } =
            Document::parse(path.display().to_string(), text, overrides).map_err(invalid)?;
        let findings = Findings::new(sources);
        let recipe = read(path, root, &findings);
        let problems = findings.problems(&reference(), &FOREIGN_KEYS);
        if problems.is_empty() { Ok(recipe) } else { Err(invalid(problems)) }
    }

    /// Returns the whole recipe as TOML, with every default written out. The text is itself a valid recipe, which gives
    /// the same run.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| unreachable!("every recipe can be written as TOML: {error}"))
    }

    /// Returns the SHA-256 (lower-case hexadecimal) of the keys that decide the weights. Keys that only set where and
    /// how often results are written, how features are cached, and whether a failed step is skipped are left out. A run
    /// resumes only under the same digest.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.decisive().to_toml()))
    }

    /// The recipe with fixed values for the keys that do not decide the weights.
    fn decisive(&self) -> Self {
        let mut decisive = self.clone();
        decisive.output_dir = PathBuf::new();
        decisive.train.logging_steps = 1;
        decisive.train.save_steps = 0;
        decisive.train.save_total_limit = None;
        decisive.train.report_to = Vec::new();
        // A run that stopped may be resumed with `skip`: it then equals a run that skipped from the start.
        decisive.train.on_nonfinite = OnNonfinite::Stop;
        decisive.train.feature_cache_gb = 0.0;
        decisive.train.feature_cache_dir = None;
        decisive.train.feature_cache_disk_gb = 0.0;
        decisive
    }

    /// Returns whether a phase has pairs with the nearest partner by thumbnails.
    #[must_use]
    pub fn compares_thumbnails(&self) -> bool {
        let pairs = self.curriculum.phase.iter().filter_map(|phase| phase.examples.pairs);
        pairs.into_iter().any(|pairs| pairs.partner == PairPartner::NearestThumbnail)
    }

    /// Returns the objective of a phase, counted from 0: its own or that of the run.
    ///
    /// # Panics
    /// When there is no such phase.
    #[must_use]
    pub fn objective_of(&self, phase: usize) -> &Objectives {
        self.curriculum.phase[phase].objective.as_ref().unwrap_or(&self.objective)
    }

    /// Returns a digest like [`Recipe::digest`], but without seed, objective and curriculum. Recipes with equal base
    /// digests evaluate the same untrained base with the same suite on the same cases, so they can share its answers.
    /// The reverse does not hold: the digest also covers keys that do not affect the base.
    #[must_use]
    pub fn base_digest(&self) -> String {
        let mut asked = self.clone();
        asked.seed = 0;
        asked.objective = Objectives::default();
        asked.curriculum = Curriculum {
            order: None,
            lr_schedule_per_phase: false,
            examples: ExampleKeys::default(),
            phase: Vec::new(),
        };
        asked.digest()
    }
}

/// Returns every key and table of a recipe, in the order of the resolved recipe, documented by the code that
/// reads them.
#[must_use]
pub fn reference() -> Reference {
    let findings = Findings::new(Vec::new());
    read(Path::new("recipe.toml"), Table::new(), &findings);
    findings.reference()
}

/// Words of `box_format`.
const BOX_FORMATS: [(&str, Option<BoxFormat>); 3] = [
    (BoxFormat::Percent.name(), Some(BoxFormat::Percent)),
    (BoxFormat::PerMille.name(), Some(BoxFormat::PerMille)),
    (BoxFormat::Pixels.name(), Some(BoxFormat::Pixels)),
];

fn read(path: &Path, root: Table, findings: &Findings) -> Recipe {
    let mut top = Section::top(root, findings).about("Base model, output folder and kind of training.");
    let model_name_or_path = top.path_required(
        "model_name_or_path",
        "checkpoints/tiny-base",
        "Folder of the base model, in the Hugging Face layout.",
    );
    let adapter_at = top.at("adapter_name_or_path");
    let adapter_name_or_path =
        top.path("adapter_name_or_path", None, "PEFT folder of an adapter whose training continues.");
    let output_dir = top
        .path("output_dir", Some("`checkpoints/` and the recipe's file name"), "Folder the run writes into.")
        .unwrap_or_else(|| {
            Path::new("checkpoints").join(path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().as_ref())
        });
    let seed = top.integer(
        "seed",
        42,
        0..=INTEGER_MAX,
        "Seed of all random draws; runs with equal seeds are equal, on GPUs up to rounding.",
    );
    let cutoff_len = top.integer(
        "cutoff_len",
        2048,
        16..=1_048_576,
        "Longest allowed sequence, in tokens. A longer question or training example is an error; nothing is truncated.",
    ) as usize;
    let do_image_splitting = top.flag_or(
        "do_image_splitting",
        Some("as the continued adapter was trained, or else as in the model's processor"),
        "Whether large images are split into tiles. Only for models that split images, such as SmolVLM.",
    );
    let do_pan_and_scan = top.flag_or(
        "do_pan_and_scan",
        Some("as the continued adapter was trained, or else as in the model's processor"),
        "Whether crops of long images are shown after the whole image. Only for Gemma 3 and MedGemma: each crop takes as many \
         tokens as an image.",
    );
    let image_max_pixels = top.integer_or(
        "image_max_pixels",
        Some("as the continued adapter was trained, or else as in the model's processor"),
        1..=1 << 28,
        "Largest number of pixels of a resized image. Only for models that take images of any size, such as Qwen2.5-VL: an \
         image takes a token for each 28 x 28 pixels there.",
    );
    let pixels_at = top.at("image_min_pixels");
    let image_min_pixels = top.integer_or(
        "image_min_pixels",
        Some("as the continued adapter was trained, or else as in the model's processor"),
        1..=1 << 28,
        "Smallest number of pixels of a resized image. Only for models that take images of any size.",
    );
    if let (Some(most), Some(least)) = (image_max_pixels, image_min_pixels)
        && least > most
    {
        top.report(
            pixels_at.as_ref(),
            "`image_min_pixels` is more than `image_max_pixels`",
            "lower it, or raise `image_max_pixels`",
        );
    }
    let box_format = top.choice_or_none(
        "box_format",
        &BOX_FORMATS,
        "as the continued adapter was trained, or else as the model's family was trained",
        "Unit of box coordinates in questions and answers: percent or thousandths of the image's sides, or pixels of the \
         resized image (Qwen's models only).",
    );
    let continued = ContinuedAdapter::of(adapter_name_or_path.as_deref());
    let tuning = crate::finetuning::read(&mut top, continued);
    if let (Some(_), Tuning::Lora { lora }) = (&adapter_name_or_path, &tuning)
        && lora.init_lora_weights != InitLoraWeights::default()
    {
        top.report(
            adapter_at.as_ref(),
            "`init_lora_weights` has no effect with `adapter_name_or_path`",
            "remove one of them: an existing adapter is not initialised again",
        );
    }
    if adapter_name_or_path.is_some() && matches!(tuning, Tuning::Full { .. }) {
        top.report(
            adapter_at.as_ref(),
            "`adapter_name_or_path` has no effect with `finetuning_type = \"full\"`",
            "remove it, or merge the adapter into the base first with `stepwise export --format merged`",
        );
    }
    let data = data::read(top.section("data").about("Cases for training and evaluation."), seed);
    let section = top.section("train").about("Batches, optimiser, learning-rate schedule, logging and checkpoints.");
    let patience_at = section.at("early_stopping_patience");
    let train = train::read(section, &tuning);
    let objective = objective::read(&mut top);
    let section = top.section("curriculum").about("Order of the clinical stages, and what training examples show.");
    let own = adapter_name_or_path.is_none().then_some(&tuning);
    let curriculum = curriculum::read(section, own, &train, seed);
    objective_rules::check(&top, &objective, &curriculum, &tuning);
    let benchmark = benchmark::read(top.section("benchmark").about("Evaluation after every epoch."));
    if train.early_stopping.patience.is_some() && benchmark.suite == SuiteChoice::None {
        top.report(
            patience_at.as_ref(),
            "`early_stopping_patience` counts evaluated epochs, and `benchmark.suite = \"none\"` evaluates none",
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
        do_pan_and_scan,
        image_max_pixels,
        image_min_pixels,
        box_format,
        tuning,
        data,
        train,
        objective,
        curriculum,
        benchmark,
    }
}
