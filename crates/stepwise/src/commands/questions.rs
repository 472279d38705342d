//! `stepwise questions DATA OUT`: writes a pack of questions, which any model can answer elsewhere.

use std::path::PathBuf;

use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::Surrogate;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Split;
use stepwise_recipe::{CaseSource, Data};
use stepwise_served::pack::{self, Manifest, Pack, PackOptions, Replies, of_pack};
use stepwise_trainer::cases::Cases;
use stepwise_trainer::interrupt::Interrupt;

use crate::commands::answered::not_asked;
use crate::commands::details;
use crate::commands::eval::at_least_one;
use crate::commands::split::SplitChoice;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;
use crate::surrogate::LocalSurrogate;
use crate::table::Table;

/// Arguments of `questions`.
#[derive(clap::Args)]
pub struct Args {
    /// Case file, or folder with `cases.jsonl`, and the images beside it.
    data: PathBuf,
    /// Folder of the pack; new, or with `--replies` the pack whose second turns are written.
    out: PathBuf,
    /// Suite: `fast`, `full` or a suite file. Choices and yes/no questions are answered in text, whatever its scoring.
    #[arg(long, value_name = "SUITE", default_value = "fast")]
    suite: PathBuf,
    /// Split to ask.
    #[arg(long, value_enum, default_value_t = SplitChoice::Test)]
    split: SplitChoice,
    /// Maximum number of cases.
    #[arg(long, value_parser = at_least_one)]
    max_cases: Option<usize>,
    /// Name of the model in every request.
    #[arg(long, value_name = "NAME", default_value = "model")]
    model: String,
    /// Put the images into the requests as data URLs, in place of paths of files.
    #[arg(long)]
    data_urls: bool,
    /// Local model on which transferred attacks and noise are made: run, checkpoint, PEFT folder or model folder. The pack
    /// shows the attacked images in the size in which this model sees them.
    #[arg(long, value_name = "DIR", conflicts_with = "replies")]
    surrogate: Option<PathBuf>,
    /// Device of the surrogate: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is usable.
    #[arg(long, requires = "surrogate")]
    device: Option<String>,
    /// Replies to the first requests of the pack: writes the questions that repeat them, `requests-2.jsonl`. May be
    /// repeated.
    #[arg(long, value_name = "FILE")]
    replies: Vec<PathBuf>,
}

/// Writes the pack, or its second requests, and prints what it holds.
///
/// # Errors
///
/// [`Failure::Input`] when the cases, the suite or the replies cannot be used; [`Failure::Run`] when a file cannot be
/// written.
pub fn run(args: &Args) -> CommandResult {
    let _heartbeat = Heartbeat::start("writing questions");
    let data = Data {
        source: CaseSource::Dataset(vec![args.data.clone()]),
        eval_split: Split::from(args.split),
        max_samples: None,
        abstain_option: None,
    };
    let mut cases = Cases::for_evaluation(&data).map_err(Failure::input)?;
    cases.identify_pictures().map_err(Failure::input)?;
    details::cases(&data);
    cases.warnings.iter().for_each(|line| tell!("warning: {line}"));
    if cases.eval.iter().any(|case| case.source.credentialed) {
        tell!("warning: a data set needs credentials: keep the pack where its licence allows");
    }
    if args.replies.is_empty() { first(args, &cases) } else { second(args, &cases) }
}

fn first(args: &Args, cases: &Cases) -> CommandResult {
    let text = Suite::text_of(&args.suite).map_err(Failure::input)?;
    let suite = Suite::named(&args.suite).map_err(Failure::input)?;
    let max_cases = args.max_cases.or(suite.max_cases);
    let suite = of_pack(suite, max_cases);
    let plan = Plan::new(&suite, &cases.eval);
    let surrogate = args.surrogate.as_deref();
    let surrogate =
        surrogate.map(|path| LocalSurrogate::load(path, args.device.as_deref(), &cases.eval)).transpose()?;
    // An incomplete pack is of no use, so an interrupt ends the program at once.
    let never = Interrupt::new();
    let mut attacked = surrogate.as_ref().map(|surrogate| (surrogate.key.as_str(), surrogate.model(&never)));
    let attacked = attacked.as_mut().map(|(key, model)| Surrogate { key, model });
    let manifest = pack::write(&plan, &cases.pictures, options(args, &text), attacked).map_err(Failure::input)?;
    say!("{}", table(&manifest).text());
    Ok(())
}

fn second(args: &Args, cases: &Cases) -> CommandResult {
    let pack = Pack::open(&args.out).map_err(Failure::input)?;
    let replies = Replies::read(&args.replies).map_err(Failure::input)?;
    // The cases of the pack decide what is asked; the data set has their images.
    let plan = Plan::new(&pack.suite, &pack.cases);
    let surrogate = pack.manifest.surrogate.as_deref();
    let count =
        pack::write_second(&plan, &cases.pictures, options(args, ""), surrogate, &replies).map_err(Failure::input)?;
    say!("{count} second requests in {}", args.out.join(pack::SECOND_REQUESTS).display());
    Ok(())
}

fn options<'a>(args: &'a Args, suite: &'a str) -> PackOptions<'a> {
    PackOptions { out: &args.out, suite, model: &args.model, data_urls: args.data_urls }
}

/// Table of what a pack holds, with what it leaves out.
fn table(manifest: &Manifest) -> Table {
    let mut table = Table::new(format!("questions of suite {}", manifest.suite.name), ["", "n"]);
    for (name, count) in
        [("requests", manifest.requests), ("second turns", manifest.second_turns), ("images", manifest.images)]
    {
        table.rows.push(vec![name.to_owned(), count.to_string()]);
    }
    if manifest.second_turns > 0 {
        table.notes.push(
            "second turns repeat the model's own first replies: `stepwise questions DATA OUT --replies FILE` writes them"
                .to_owned(),
        );
    }
    for (condition, reasons) in &manifest.not_asked {
        for (reason, count) in reasons {
            table.notes.push(not_asked::line(condition, reason, *count));
        }
    }
    table
}
