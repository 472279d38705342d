//! `stepwise compare A B`: compares two runs, checkpoints or outcome files on the questions that both answered.

pub mod evaluated_suite;
pub mod reading;
pub mod side;
mod tables;

use std::path::PathBuf;

use clap::ValueEnum;
use stepwise_benchmark::compare::{Comparison, Side, compare, foreign};
use stepwise_benchmark::compat::{self, CompatScore};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::summary::Summary;

use crate::commands::eval::compat_table;
use crate::commands::split::SplitChoice;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;
use crate::table::Table;
use evaluated_suite::same_suite;
use side::SideSource;

/// Arguments of `compare`.
#[derive(clap::Args)]
pub struct Args {
    /// Reference: a run, a checkpoint, a folder written by `eval --out` or by a run's benchmark, or an outcome file.
    a: PathBuf,
    /// Results to compare with A; every difference is B - A.
    b: PathBuf,
    /// Case file, or folder with `cases.jsonl`, for scoring responses from another tool; by default the cases
    /// of the run.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Split of these cases that was evaluated; by default all cases.
    #[arg(long, value_enum)]
    split: Option<SplitChoice>,
    /// Suite that was evaluated: `fast`, `full` or a file; by default the suite of the run, or a built-in one.
    #[arg(long, value_name = "SUITE")]
    suite: Option<PathBuf>,
    /// Run whose base and epochs give the line of robust against clean accuracy; by default A; may be repeated.
    #[arg(long, value_name = "RUN")]
    reference: Vec<PathBuf>,
    /// Compare although more than 2 % of the questions have no answer.
    #[arg(long)]
    allow_missing: bool,
    /// Also score generated responses by published scoring rules, including their known faults; needs the cases.
    #[arg(long)]
    compat: bool,
    /// Format of the tables.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print everything as JSON.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Latex,
}

/// Prints the comparison.
///
/// # Errors
///
/// [`Failure::Input`] when one side has no outcomes, the sides used different suites, or the outcomes do not fit the
/// suite or the cases.
pub fn run(args: &Args) -> CommandResult {
    let _heartbeat = Heartbeat::start("comparing");
    let (a, b) = (SideSource::at(&args.a), SideSource::at(&args.b));
    let (a, b) = both(a, b)?;
    [&a, &b].iter().for_each(|side| detail!("outcomes: {}", side.outcomes.display()));
    same_suite(&a, &b)?;
    let sides = [&a, &b];
    reading::check_missing(args.allow_missing, &sides)?;
    let suite = reading::suite(args.suite.as_deref(), &sides)?;
    let cases = reading::cases(args.cases.as_deref(), args.split, &sides)?;
    let uncapped = suite.uncapped();
    let plan = cases.as_ref().map(|cases| Plan::new(&uncapped, cases));
    let read = |side: &SideSource| reading::outcomes(side, &suite, plan.as_ref());
    let (mut of_a, mut of_b) = both(read(&a), read(&b))?;
    foreign::fill(&mut of_a, &of_b);
    foreign::fill(&mut of_b, &of_a);

    let mut reference: Vec<Summary> = Vec::new();
    for path in &args.reference {
        let what = "is not a run with evaluated epochs -> name a run with a benchmark";
        let history = SideSource::at(path)?.history;
        let history = history.ok_or_else(|| Failure::input(format!("{}: {what}", path.display())))?;
        reference.extend(history.reference().cloned());
    }
    if args.reference.is_empty() {
        reference.extend(a.history.iter().flat_map(|history| history.reference().cloned()));
    }
    let side_a =
        Side { checkpoint: a.checkpoint.as_deref(), outcomes: &of_a, history: a.history.as_ref(), name: &a.name };
    let side_b =
        Side { checkpoint: b.checkpoint.as_deref(), outcomes: &of_b, history: b.history.as_ref(), name: &b.name };
    let comparison = compare(&suite, side_a, side_b, &reference).map_err(Failure::input)?;
    let compat = match (args.compat, &plan) {
        (false, _) => None,
        (true, Some(plan)) => Some([&of_a, &of_b].map(|outcomes| compat::scores(plan, outcomes))),
        (true, None) => {
            let what = "--compat: published rules read the options of the questions, and no cases are given";
            return Err(Failure::input(format!("{what} -> name them with `--cases FILE`")));
        }
    };
    [&a, &b].into_iter().filter_map(|side| side.note.as_ref()).for_each(|note| tell!("{note}"));
    print(args, &comparison, compat.as_ref(), [&a, &b])
}

/// Prints the comparison; `compat` has the scores of both sides by published rules, None if they were not asked for.
fn print(
    args: &Args,
    comparison: &Comparison,
    compat: Option<&[Vec<CompatScore>; 2]>,
    sides: [&SideSource; 2],
) -> CommandResult {
    if args.json {
        let mut json = serde_json::to_value(comparison).map_err(Failure::run)?;
        if let Some([a, b]) = compat {
            json["compat"] = serde_json::json!({"a": a, "b": b});
        }
        say!("{}", serde_json::to_string_pretty(&json).map_err(Failure::run)?);
        return Ok(());
    }
    let write = match args.format {
        Format::Text => |table: &Table| format!("{}\n", table.text()),
        Format::Markdown => Table::markdown,
        Format::Latex => Table::latex,
    };
    let of_rules = compat.into_iter().flatten().zip(["A", "B"]).map(|(scores, side)| {
        let table = compat_table::table(scores);
        Table { title: format!("{} of {side}", table.title), ..table }
    });
    let tables: Vec<String> =
        tables::all(comparison, sides).into_iter().chain(of_rules).map(|table| write(&table)).collect();
    say!("{}", tables.join("\n").trim_end());
    Ok(())
}

/// Returns both values, or the errors of both sides together.
fn both<T>(a: Result<T, Failure>, b: Result<T, Failure>) -> Result<(T, T), Failure> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(Failure::Input(a)), Err(Failure::Input(b))) if a != b => Err(Failure::Input(format!("{a}\n{b}"))),
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
    }
}
