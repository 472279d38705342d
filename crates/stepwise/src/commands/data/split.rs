//! `stepwise data split`: divides the cases of a data set anew.

use std::path::PathBuf;

use stepwise_data::changing_priors::{ENDING, changing_priors, prior_accuracy};
use stepwise_data::check;
use stepwise_data::dataset::{Dataset, root_of};
use stepwise_data::split::{SIDES, Shares, are_shares};

use crate::exit::{CommandResult, Failure};

/// Name of the case file that is written by default, beside the one that is read.
const OUT: &str = "cases-changing-priors.jsonl";

/// Arguments of `data split`.
#[derive(clap::Args)]
pub struct Args {
    /// Case file, or a folder that contains `cases.jsonl`.
    data: PathBuf,
    /// Make the answers that are common in training rare in the test side, question by question, as VQA-CP does. Groups stay
    /// whole. The name of each data set gets the ending `-cp`.
    #[arg(long, required = true)]
    changing_priors: bool,
    /// Case file to write, in the folder of the one that is read; by default `cases-changing-priors.jsonl`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Seed of the split; equal seeds give equal splits.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Shares of cases in train, validation and test, which sum to 1.
    #[arg(long, value_name = "TRAIN,VALIDATION,TEST", value_delimiter = ',', default_value = "0.6,0.1,0.3")]
    shares: Vec<f64>,
}

/// Writes the cases with their new sides to another file, and prints what answering by priors is worth before and after.
///
/// # Errors
///
/// [`Failure::Input`] when the cases cannot be read or written, the shares are not three numbers that sum to 1, or the file to
/// write is in another folder or exists.
pub fn run(args: &Args) -> CommandResult {
    let shares = Shares::try_from(&args.shares[..]).ok().filter(|shares| are_shares(*shares)).ok_or_else(|| {
        Failure::input(
            "--shares: three numbers from 0 to 1 with the sum 1 are needed -> write 0.6,0.1,0.3, for example",
        )
    })?;
    let dataset = check::load(&args.data).map_err(Failure::input)?;
    let out = args.out.clone().unwrap_or_else(|| dataset.root.join(OUT));
    if root_of(&out) != dataset.root {
        let root = dataset.root.display();
        return Err(Failure::input(format!(
            "{}: is in another folder than the images -> write a file in {root}",
            out.display()
        )));
    }
    if out.exists() {
        return Err(Failure::input(format!("{}: exists -> give another file with --out", out.display())));
    }
    let before = prior_accuracy(&dataset.cases);
    let sides = changing_priors(args.seed, &dataset.cases, shares);
    let mut cases = dataset.cases;
    for case in &mut cases {
        case.split = sides[&case.group_id];
        if !case.source.dataset.ends_with(ENDING) {
            case.source.dataset.push_str(ENDING);
        }
    }
    let after = prior_accuracy(&cases);
    let dataset = Dataset::new(&out, cases);
    dataset.save().map_err(Failure::input)?;
    for side in SIDES {
        say!("{:<12}{:>7} cases", side.word(), dataset.side(side).count());
    }
    say!("\nAccuracy of the most common training answer to each question:");
    say!("{:<20}{:>10}{:>10}", "", "train", "test");
    say!("{:<20}{:>10.3}{:>10.3}", "split before", before.train, before.test);
    say!("{:<20}{:>10.3}{:>10.3}", "changing priors", after.train, after.test);
    say!("\nwritten: {}", out.display());
    Ok(())
}
