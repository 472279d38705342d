//! `stepwise eval PATH`: runs the benchmark on a run, a checkpoint, a PEFT folder or a model, and compares it
//! with its base.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use stepwise_benchmark::compat;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::power::{describe, power};
use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::stats::bootstrap::Bootstrap;
use stepwise_benchmark::store;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::Split;
use stepwise_recipe::{CaseSource, Data, Recipe, Synth};
use stepwise_trainer::cases::{CaseImages, Cases};
use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_trainer::evaluation::cache::{self, AnswerCache, model_key};
use stepwise_trainer::evaluation::epochs;
use stepwise_trainer::evaluation::evaluate::{AnswerStore, Evaluated, Evaluation, ModelUnderTest};
use stepwise_trainer::evaluation::report::{LastEvaluation, LoadedModels, RunReport, write_summary};
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::progress::Progress;
use stepwise_vlm::nn::parameter::Pass;

use crate::device;
use crate::exit::{CommandResult, Failure};
use crate::folder;
use crate::progress::Shown;
use crate::table;

/// Arguments of `eval`.
#[derive(clap::Args)]
pub struct Args {
    /// Run, checkpoint, PEFT folder or model folder.
    path: PathBuf,
    /// Folder of the base model; by default the one that the adapter or run names.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Folder with `cases.jsonl`; by default the cases of the run, or synthetic cases if there is no run.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Split to evaluate.
    #[arg(long, value_parser = ["train", "validation", "test"])]
    split: Option<String>,
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
    /// Use no answer cache.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    /// Device: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is built in.
    #[arg(long)]
    device: Option<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Parses a number of cases, at least 1.
fn at_least_one(written: &str) -> Result<usize, String> {
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
    let chosen = device::choose(args.device.as_deref())?;
    let subject = ModelSource::find(&args.path, args.base.as_deref()).map_err(Failure::input)?;
    let recipe = match &subject.recipe {
        Some(path) => Some(Recipe::load(path, &[]).map_err(Failure::input)?),
        None => None,
    };
    let data = data(args, recipe.as_ref());
    let mut cases = Cases::open(&data).map_err(Failure::input)?;
    cases.identify_pictures().map_err(Failure::input)?;
    let suite = suite(args, recipe.as_ref())?;
    let splitting = recipe.as_ref().and_then(|recipe| recipe.do_image_splitting);
    // Made before the evaluation, so that no results are lost because the folder cannot be written.
    if let Some(out) = &args.out {
        folder::make(out)?;
    }
    let cache = cache(args)?;
    let pipeline = subject.load(&chosen.device, splitting).map_err(Failure::input)?;
    let other = match &subject.base {
        Some(base) => {
            let base = ModelSource::find(base, None).map_err(Failure::input)?;
            let pipeline = base.load(&chosen.device, splitting).map_err(Failure::input)?;
            Some((base, pipeline))
        }
        None => None,
    };
    let kind = chosen.name.split(':').next().unwrap_or_default();
    let key =
        |subject: &ModelSource, pipeline, adapter| model_key(subject, pipeline, kind, adapter).map_err(Failure::input);
    let own = (key(&subject, &pipeline, true)?, &pipeline);
    // The base is a separate model, or the adapted model with its adapter switched off. Otherwise there is no base.
    let base = match (&other, &subject.adapter) {
        (Some((base, pipeline)), _) => Some((key(base, pipeline, false)?, pipeline)),
        (None, Some(_)) => Some((key(&subject, &pipeline, false)?, &pipeline)),
        (None, None) => None,
    };

    let interrupt = Interrupt::listen(|| tell!("\nstopping; again to leave at once")).map_err(Failure::run)?;
    let plan = Plan::new(&suite, &cases.eval);
    let mut examiner = Examiner { args, plan: &plan, pictures: &cases.pictures, cache, interrupt, shown: Shown::new() };
    let base = base.as_ref().map(|(key, pipeline)| ModelUnderTest { key, pipeline, pass: Pass::BASE });
    let own = ModelUnderTest { key: &own.0, pipeline: own.1, pass: Pass::ANSWER };
    if base.is_none() {
        examiner.shown.note(&describe(&power(&plan, None)));
    }
    let of_base = base.map(|base| examiner.ask("base", base, None)).transpose()?;
    if let Some(answers) = &of_base {
        examiner.shown.note(&describe(&power(&plan, Some(&answers.outcomes))));
    }
    let answers = examiner.ask(if base.is_some() { TUNED } else { ALONE }, own, base)?;
    let base_outcomes = of_base.as_ref().map(|answers| answers.outcomes.as_slice());
    let mut summary = Summary::new(&suite, &answers.skips, &answers.outcomes, base_outcomes, Bootstrap::default());
    if args.compat {
        summary.compat = compat::scores(&plan, &answers.outcomes);
    }
    let models = LoadedModels { model: own, surrogate: base };
    let kept =
        Kept { args, subject: &subject, data: &data, device: &chosen.name, plan: &plan, pictures: &cases.pictures };
    let report = match &args.out {
        Some(out) => Some(kept.write(out, (&summary, &answers), of_base.as_ref(), models)?),
        None => None,
    };
    if args.json {
        say!("{}", serde_json::to_string_pretty(&summary).map_err(Failure::run)?);
        return Ok(());
    }
    say!("{}", table::gains(&args.path.display().to_string(), &summary));
    if args.compat {
        say!("\n{}", table::compat(&summary.compat).text());
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

/// Contents of the folder `--out`.
struct Kept<'a> {
    args: &'a Args,
    subject: &'a ModelSource,
    data: &'a Data,
    device: &'a str,
    plan: &'a Plan<'a>,
    pictures: &'a CaseImages,
}

impl Kept<'_> {
    /// Writes summaries, report and tables, and returns the path of the report. The report has worst cases only if
    /// there is a base.
    fn write(
        &self,
        out: &Path,
        (summary, answers): (&Summary, &Evaluated),
        of_base: Option<&Evaluated>,
        models: LoadedModels<'_>,
    ) -> Result<PathBuf, Failure> {
        let title = self.args.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let untouched = of_base.map(|base| {
            let summary = Summary::new(self.plan.suite, &base.skips, &base.outcomes, None, Bootstrap::default());
            (summary, base.outcomes.as_slice())
        });
        if let Some((base, _)) = &untouched {
            write_summary(&out.join("base"), base).map_err(Failure::run)?;
        }
        write_summary(out, summary).map_err(Failure::run)?;
        let tested = [(TUNED.to_owned(), summary)];
        let alone =
            RunReport { title: &title, facts: &self.facts(), base: summary, tested: &[], last: None, forgetting: None };
        let reported = match &untouched {
            None => alone,
            Some((base, of_base)) => {
                let outcomes = &answers.outcomes;
                let last = LastEvaluation { plan: self.plan, pictures: self.pictures, outcomes, base: of_base, models };
                RunReport { base, tested: &tested, last: Some(last), ..alone }
            }
        };
        let page = out.join("report.html");
        reported.write(&page, &out.join("tables")).map_err(Failure::run)?;
        Ok(page)
    }

    /// Facts for the head of the report, as pairs of name and value.
    fn facts(&self) -> Vec<(String, String)> {
        let base = self.subject.base.as_ref().or(self.subject.adapter.as_ref().map(|_| &self.subject.model));
        let facts = [
            ("Model", Some(self.args.path.display().to_string())),
            ("Base", base.map(|base| base.display().to_string())),
            ("Cases", Some(self.data.source.to_string())),
            ("Suite", Some(self.plan.suite.name.clone())),
            ("Device", Some(self.device.to_owned())),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// Evaluates models and stores their answers.
struct Examiner<'a> {
    args: &'a Args,
    plan: &'a Plan<'a>,
    pictures: &'a CaseImages,
    cache: Option<AnswerCache>,
    interrupt: Interrupt,
    shown: Shown,
}

impl Examiner<'_> {
    fn ask(
        &mut self,
        name: &str,
        model: ModelUnderTest<'_>,
        surrogate: Option<ModelUnderTest<'_>>,
    ) -> Result<Evaluated, Failure> {
        let mut memory = match &self.cache {
            Some(cache) => {
                let journal = cache.journal(model.key).map_err(Failure::run)?;
                AnswerStore::journal(&journal).map_err(Failure::run)?
            }
            None => AnswerStore::default(),
        };
        let kept = self.args.out.as_ref().map(|out| out.join(name).join("outcomes.jsonl"));
        if let Some(kept) = &kept {
            memory = memory.and_file(kept).map_err(Failure::input)?;
        }
        let evaluation = Evaluation { name, model, surrogate, plan: self.plan, pictures: self.pictures };
        let answers = evaluation.ask(&mut memory, &mut self.shown, &self.interrupt).map_err(|error| {
            if !error.is_interrupt() {
                return Failure::run(error);
            }
            self.shown.note(match &self.cache {
                Some(_) => "interrupted; all answers so far are stored: run the same command again to continue",
                None => "interrupted; no answers are stored because of `--no-cache`",
            });
            Failure::Interrupted
        })?;
        self.shown.note(&format!("{name}: {} answers computed, {} reused", answers.asked, answers.remembered));
        if let Some(kept) = &kept {
            store::write(kept, &answers.outcomes).map_err(Failure::run)?;
        }
        Ok(answers)
    }
}

/// Opens the answer cache. An unusable folder of `--cache` is an error; an unusable default folder only gives
/// a warning.
fn cache(args: &Args) -> Result<Option<AnswerCache>, Failure> {
    if args.no_cache {
        return Ok(None);
    }
    if let Some(folder) = &args.cache {
        return AnswerCache::open(folder, cache::LIMIT).map(Some).map_err(|error| {
            Failure::input(format!("{}: {error} -> name a folder that can be created and written", folder.display()))
        });
    }
    let Some(folder) = AnswerCache::default_folder() else { return Ok(None) };
    match AnswerCache::open(&folder, cache::LIMIT) {
        Ok(cache) => Ok(Some(cache)),
        Err(error) => {
            let folder = folder.display();
            tell!("warning: {folder}: {error}: answers are not stored -> name another folder with `--cache DIR`");
            Ok(None)
        }
    }
}

/// Cases to evaluate: from the command line, the recipe of the run, or 400 synthetic cases.
fn data(args: &Args, recipe: Option<&Recipe>) -> Data {
    let mut data = match recipe {
        Some(recipe) => recipe.data.clone(),
        None => Data {
            source: CaseSource::Synth(Synth { cases: 400, seed: 0, image_size: 128 }),
            eval_split: Split::Validation,
            max_samples: None,
            abstain_option: None,
        },
    };
    if let Some(folder) = &args.data {
        data.source = CaseSource::Dataset(vec![folder.clone()]);
    }
    match args.split.as_deref() {
        Some("train") => data.eval_split = Split::Train,
        Some("validation") => data.eval_split = Split::Validation,
        Some(_) => data.eval_split = Split::Test,
        None => {}
    }
    data
}

/// Suite to evaluate, with the changes of the recipe and the command line.
fn suite(args: &Args, recipe: Option<&Recipe>) -> Result<Suite, Failure> {
    let own = recipe.map(epochs::suite).transpose().map_err(Failure::input)?.flatten();
    let mut suite = match (&args.suite, own) {
        (Some(path), _) => Suite::named(path).map_err(Failure::input)?,
        (None, own) => own.unwrap_or_else(Suite::fast),
    };
    if let Some(recipe) = recipe {
        suite.answer_form = recipe.train.answer_form;
    }
    if let Some(chosen) = args.scoring {
        suite.scoring = match chosen {
            ScoringChoice::Loglikelihood => Scoring::Loglikelihood,
            ScoringChoice::Letter => Scoring::Letter,
            ScoringChoice::Generate => Scoring::Generate,
        };
        suite.letter_permutations = suite.letter_permutations.filter(|_| suite.scoring == Scoring::Letter);
    }
    suite.max_cases = args.max_cases.or(suite.max_cases);
    Ok(suite)
}
