//! `stepwise eval PATH`: runs the benchmark on a run, a checkpoint, a PEFT folder or a model, and compares it
//! with its base; `stepwise eval --endpoint URL`: on a served model.

mod ceiling;
pub mod compat_table;
mod dry_run;
mod evaluator;
mod inputs;
mod leaks;
mod saved;
mod served;
mod served_args;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use stepwise_benchmark::compat;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::power::{describe, power};
use stepwise_benchmark::summary::Summary;
use stepwise_recipe::Recipe;
use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_trainer::device::Adapter;
use stepwise_trainer::evaluation::cache::model_key;
use stepwise_trainer::evaluation::evaluate::ModelUnderTest;
use stepwise_trainer::evaluation::report::LoadedModels;
use stepwise_trainer::image_settings::of_recipe;
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::preflight::texts::TextCheck;
use stepwise_trainer::progress::Progress;
use stepwise_vlm::images::processor::ImageOptions;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::Pass;

use crate::commands::split::SplitChoice;
use crate::exit::{CommandResult, Failure};
use crate::progress::ConsoleProgress;
use crate::{device, folder, gains, source};
use evaluator::Evaluator;
use saved::SavedResults;
use served_args::ServedArgs;

/// Arguments of `eval`.
#[derive(clap::Args)]
pub struct Args {
    /// Run, checkpoint, PEFT folder or model folder.
    #[arg(required_unless_present = "endpoint")]
    path: Option<PathBuf>,
    /// Folder of the base model; by default the one that the adapter or run names.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Case file, or folder with `cases.jsonl`; by default the cases of the run, or synthetic cases if there is no run.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Split to evaluate.
    #[arg(long, value_enum)]
    split: Option<SplitChoice>,
    /// Suite: `fast`, `full` or a suite file; by default the suite of the run, or `fast`.
    #[arg(long, value_name = "SUITE")]
    suite: Option<PathBuf>,
    /// Scoring of choice and yes/no questions; by default as set in the suite.
    #[arg(long, value_enum)]
    scoring: Option<ScoringChoice>,
    /// Also score generated responses by published scoring rules, including their known faults, next to the
    /// strict score.
    #[arg(long)]
    compat: bool,
    /// Instead of the benchmark: cross-validate a linear reader of the model's frozen image features, beside a
    /// thumbnail and the commonest answers. Training and evaluation cases are read, or those of `--split`.
    #[arg(long, conflicts_with_all = ["suite", "scoring", "compat", "cache", "no_cache"])]
    ceiling: bool,
    /// Maximum number of cases.
    #[arg(long, value_parser = at_least_one)]
    max_cases: Option<usize>,
    /// Write outcomes, summary, report and tables to this folder; answers already stored there are reused.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder of the answer cache, from which later evaluations reuse answers; by default `stepwise/answers` in the
    /// user's cache folder. Above 1 GiB, the answers of the least recently used models are deleted.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Evaluate although cases share a patient or an image, equal or nearly equal, with what the run was trained on; the
    /// report says so.
    #[arg(long)]
    allow_leaks: bool,
    /// Use no answer cache.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    /// Device: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is usable.
    #[arg(long)]
    device: Option<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    served: ServedArgs,
}

impl Args {
    /// Returns the path of the model; empty with `--endpoint`, which needs none.
    fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }
}

/// Parses a number of cases, at least 1.
pub fn at_least_one(written: &str) -> Result<usize, String> {
    match written.parse() {
        Ok(0) => Err("is too small: write at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("is not a number of cases: write a whole number, at least 1".to_owned()),
    }
}

/// Scoring method; the same values as in a suite.
#[derive(Clone, Copy, ValueEnum)]
enum ScoringChoice {
    Loglikelihood,
    Letter,
    Generate,
}

/// Evaluates the base and the model, and prints the comparison.
///
/// # Errors
///
/// [`Failure::Input`] when the model, the cases, the suite or stored outcomes cannot be used; [`Failure::Run`] when the
/// evaluation fails or a file cannot be written; [`Failure::Interrupted`] when the user interrupts it.
pub fn run(args: &Args) -> CommandResult {
    if let (Some(endpoint), Some(name)) = (&args.served.endpoint, &args.served.model) {
        return served::run(args, endpoint, name);
    }
    if args.ceiling {
        return ceiling::run(args);
    }
    let mut progress = ConsoleProgress::new("loading cases and model");
    let chosen = device::choose(args.device.as_deref())?;
    let source = source::find(args.path(), args.base.as_deref())?;
    let recipe = match &source.recipe {
        Some(path) => Some(Recipe::load(path, &[]).map_err(Failure::input)?),
        None => None,
    };
    let (data, mut cases) = inputs::cases(args, recipe.as_ref())?;
    cases.identify_pictures().map_err(Failure::input)?;
    let leaks = leaks::check(args, &source, recipe.as_ref(), &cases)?;
    let suite = inputs::suite(args, recipe.as_ref())?;
    let images = recipe.as_ref().map(of_recipe).unwrap_or_default();
    // Made before the evaluation, so that no results are lost because the folder cannot be written.
    if let Some(out) = &args.out {
        folder::make(out)?;
    }
    let cache = inputs::cache(args)?;
    let pipeline = source.load(&chosen.device, images).map_err(Failure::input)?;
    cases.set_box_grids(&pipeline.processor).iter().for_each(|line| progress.warning(line));
    let other = match &source.base {
        Some(base) => {
            let base = source::find(base, None)?;
            // A base of another family is shown images with its own settings. It is asked the same questions.
            let own = Vlm::load_config(&base.model).map_err(Failure::input)?.image_options();
            let images = ImageOptions { box_format: None, ..images.only(own) };
            let pipeline = base.load(&chosen.device, images).map_err(Failure::input)?;
            Some((base, pipeline))
        }
        None => None,
    };
    let kind = chosen.kind();
    let key =
        |source: &ModelSource, pipeline, adapter| model_key(source, pipeline, &kind, adapter).map_err(Failure::input);
    let own = (key(&source, &pipeline, true)?, &pipeline);
    // The base is a separate model, or the adapted model with its adapter switched off. Otherwise there is no base.
    let base = match (&other, &source.adapter) {
        (Some((base, pipeline)), _) => Some((key(base, pipeline, false)?, pipeline)),
        (None, Some(_)) => Some((key(&source, &pipeline, false)?, &pipeline)),
        (None, None) => None,
    };

    [Some(&source), other.as_ref().map(|(base, _)| base)].into_iter().flatten().for_each(source::announce);
    let interrupt = Interrupt::listen(|| tell!("\nstopping; again to leave at once")).map_err(Failure::run)?;
    let plan = Plan::new(&suite, &cases.eval);
    let images = &cases.pictures;
    for pipeline in std::iter::once(&pipeline).chain(other.as_ref().map(|(_, pipeline)| pipeline)) {
        let positions = pipeline.model.config().text.max_position_embeddings;
        let (processor, answer_form) = (&pipeline.processor, suite.form());
        let texts = TextCheck { processor, images, answer_form, cutoff_len: None, positions };
        texts.check([], Some(&plan), &mut progress).map_err(Failure::input)?;
    }
    let mut evaluator = Evaluator { plan: &plan, images, out: args.out.as_deref(), cache, interrupt, progress };
    let base = base.as_ref().map(|(key, pipeline)| ModelUnderTest { key, pipeline, pass: Pass::BASE });
    let own = ModelUnderTest { key: &own.0, pipeline: own.1, pass: Pass::ANSWER };
    if base.is_none() {
        evaluator.progress.note(&describe(&power(&plan, None)));
    }
    let of_base = base.map(|base| evaluator.evaluate("base", base, None)).transpose()?;
    if let Some(answers) = &of_base {
        evaluator.progress.note(&describe(&power(&plan, Some(&answers.outcomes))));
    }
    let answers = evaluator.evaluate(if base.is_some() { TUNED } else { ALONE }, own, base)?;
    let base_outcomes = of_base.as_ref().map(|answers| answers.outcomes.as_slice());
    let mut summary = Summary::new(&suite, &answers.skips, &answers.outcomes, base_outcomes);
    if args.compat {
        summary.compat = compat::scores(&plan, &answers.outcomes);
    }
    let models = LoadedModels { model: own, surrogate: base };
    let report = match &args.out {
        Some(out) => {
            let results = SavedResults {
                path: args.path(),
                source: &source,
                data: &data,
                device: &Adapter::label(&chosen.name, chosen.adapter.as_ref()),
                plan: &plan,
                images,
                leaks: leaks.as_deref(),
            };
            Some(results.write(out, (&summary, &answers), of_base.as_ref(), models)?)
        }
        None => None,
    };
    if args.json {
        say!("{}", serde_json::to_string_pretty(&summary).map_err(Failure::run)?);
        return Ok(());
    }
    say!("{}", gains::text(&source::title(args.path(), &source), &summary));
    if args.compat {
        say!("\n{}", compat_table::table(&summary.compat).text());
    }
    if let Some(report) = report {
        say!("\nreport  {}", report.display());
    }
    Ok(())
}

/// Name of a model that has a base, and of its subfolder of outcomes; the base's subfolder is `base`.
pub const TUNED: &str = "tuned";
/// Name of a model without a base, and of its subfolder of outcomes.
pub const ALONE: &str = "model";
