//! `stepwise score PACK REPLIES`: outcomes from the replies to a pack of questions.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stepwise_benchmark::plan::Plan;
use stepwise_served::pack::{Pack, Replies};

use super::answered::{AnsweredModel, Results};
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;

/// Arguments of `score`.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of the pack.
    pack: PathBuf,
    /// Replies of one model: output of a batch API, or lines with `custom_id` and `reply`; several files with second
    /// turns.
    #[arg(required = true)]
    replies: Vec<PathBuf>,
    /// Name of the model in report and tables; by default the name of the first file.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Folder of outcomes, summary, report and tables; by default `scored/NAME` in the pack, with the name of the first
    /// file.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also score the replies by published scoring rules, including their known faults, next to the strict score.
    #[arg(long)]
    compat: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Judges the replies, writes the results and prints them.
///
/// # Errors
///
/// [`Failure::Input`] when the pack or the replies cannot be used; [`Failure::Run`] when a file cannot be written.
pub fn run(args: &Args) -> CommandResult {
    let _heartbeat = Heartbeat::start("scoring replies");
    let pack = Pack::open(&args.pack).map_err(Failure::input)?;
    let replies = Replies::read(&args.replies).map_err(Failure::input)?;
    let plan = Plan::new(&pack.suite, &pack.cases);
    let scored = pack.score(&plan, &replies).map_err(Failure::input)?;
    let stem = args.replies.first().and_then(|path| path.file_stem()).unwrap_or_default().to_string_lossy();
    let name = args.model.as_deref().unwrap_or(&stem);
    let out = args.out.clone().unwrap_or_else(|| args.pack.join("scored").join(&*stem));
    let results = Results::new(&plan, &scored.run, args.compat);
    let facts =
        [("Model", name.to_owned()), ("Pack", args.pack.display().to_string()), ("Suite", pack.suite.name.clone())];
    let model = AnsweredModel {
        name,
        endpoint: None,
        surrogate: pack.manifest.surrogate.as_deref(),
        facts: facts.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        tokens: None,
    };
    let report = results.write(&out, &model)?;
    results.print(name, &report, &BTreeMap::new(), args.json)
}
