//! `stepwise eval PATH`: the benchmark of a run, a checkpoint, a PEFT folder or a model, against its base.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::score::{Scoring, compat};
use stepwise_benchmark::stats::bootstrap::Bootstrap;
use stepwise_benchmark::store;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_curriculum::case::Split;
use stepwise_trainer::cases::Cases;
use stepwise_trainer::epoch_benchmark::{self, ask};
use stepwise_trainer::recipe::{CaseSource, Data, Recipe, Synth};
use stepwise_trainer::subject::Subject;
use stepwise_vlm::model::parameter::Pass;

use crate::device;
use crate::exit::{Failure, Outcome};
use crate::folder;
use crate::progress::Shown;
use crate::table;

/// Arguments of `eval`.
#[derive(clap::Args)]
pub struct Args {
    /// A run, a checkpoint, a PEFT folder or a model folder.
    path: PathBuf,
    /// Folder of the base model; what the adapter or run names when left out.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Folder with `cases.jsonl`; the run's own cases when left out, synthetic ones where there is no run.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The side of the split that is asked.
    #[arg(long, value_parser = ["train", "validation", "test"])]
    split: Option<String>,
    /// A suite file; the run's own, or the fast one, when left out.
    #[arg(long, value_name = "FILE")]
    suite: Option<PathBuf>,
    /// How choices and yes/no questions are decided; as the suite says when left out.
    #[arg(long, value_enum)]
    scoring: Option<ScoringChoice>,
    /// Score generated replies by published rules as well, faults included, beside the strict score.
    #[arg(long)]
    compat: bool,
    /// Ask at most so many cases.
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_cases: Option<usize>,
    /// Keep outcomes and summary in this folder; questions answered there already are not asked again.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// cpu, cuda[:n] or wgpu[:n].
    #[arg(long)]
    device: Option<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// As in a suite.
#[derive(Clone, Copy, ValueEnum)]
enum ScoringChoice {
    Loglikelihood,
    Letter,
    Generate,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let chosen = device::choose(args.device.as_deref())?;
    let subject = Subject::find(&args.path, args.base.as_deref()).map_err(Failure::input)?;
    let recipe = match &subject.recipe {
        Some(path) => Some(Recipe::load(path, &[]).map_err(Failure::input)?),
        None => None,
    };
    let cases = Cases::open(&data(args, recipe.as_ref())).map_err(Failure::input)?;
    let suite = suite(args, recipe.as_ref())?;
    let splitting = recipe.as_ref().and_then(|recipe| recipe.do_image_splitting);
    // Before the work, so that none is lost to a folder that cannot be written.
    if let Some(out) = &args.out {
        folder::make(out)?;
    }
    let reader = subject.load(&chosen.device, splitting).map_err(Failure::input)?;
    let other = match &subject.base {
        Some(base) => {
            let base = Subject::find(base, None).map_err(Failure::input)?;
            Some(base.load(&chosen.device, splitting).map_err(Failure::input)?)
        }
        None => None,
    };
    // The base is the adapted model with its adapter off, another folder, or - a model alone - not there.
    let base = match (&other, &subject.adapter) {
        (Some(base), _) => Some(base),
        (None, Some(_)) => Some(&reader),
        (None, None) => None,
    };

    let mut shown = Shown::new();
    let mut asked = |name: &str, reader, pass| {
        let path = args.out.as_ref().map(|out| out.join(name).join("outcomes.jsonl"));
        let known = match &path {
            Some(path) if path.is_file() => store::read(path).map_err(Failure::input)?,
            _ => Vec::new(),
        };
        let key = format!("{name}:{}", args.path.display());
        let (outcomes, skips) =
            ask(&suite, name, &key, (reader, pass), &cases, known, &mut shown).map_err(Failure::run)?;
        if let Some(path) = &path {
            path.parent().map_or(Ok(()), folder::make)?;
            store::write(path, &outcomes).map_err(Failure::run)?;
        }
        Ok::<_, Failure>((outcomes, skips))
    };
    let base = base.map(|base| asked("base", base, Pass::BASE)).transpose()?;
    let (outcomes, skips) = asked("tuned", &reader, Pass::ANSWER)?;
    let base = base.as_ref().map(|(outcomes, _)| outcomes.as_slice());
    let mut summary = Summary::new(&suite, &skips, &outcomes, base, Bootstrap::default());
    if args.compat {
        summary.compat = compat::scores(&Plan::new(&suite, &cases.eval), &outcomes);
    }
    let json = serde_json::to_string_pretty(&summary).map_err(Failure::run)?;
    if let Some(out) = &args.out {
        std::fs::write(out.join("summary.json"), &json).map_err(Failure::run)?;
    }
    if args.json {
        println!("{json}");
    } else {
        println!("{}", table::gains(&args.path.display().to_string(), &summary));
        if args.compat {
            println!("\n{}", table::compat(&summary.compat).text());
        }
    }
    Ok(())
}

fn data(args: &Args, recipe: Option<&Recipe>) -> Data {
    let mut data = match recipe {
        Some(recipe) => recipe.data.clone(),
        None => Data {
            source: CaseSource::Synth(Synth { cases: 400, seed: 0, image_size: 128 }),
            eval_split: Split::Validation,
            max_samples: None,
        },
    };
    if let Some(folder) = &args.data {
        data.source = CaseSource::Dataset(folder.clone());
    }
    match args.split.as_deref() {
        Some("train") => data.eval_split = Split::Train,
        Some("validation") => data.eval_split = Split::Validation,
        Some(_) => data.eval_split = Split::Test,
        None => {}
    }
    data
}

fn suite(args: &Args, recipe: Option<&Recipe>) -> Result<Suite, Failure> {
    let own = recipe.map(epoch_benchmark::suite).transpose().map_err(Failure::input)?.flatten();
    let mut suite = match (&args.suite, own) {
        (Some(path), _) => Suite::load(path).map_err(Failure::input)?,
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
