//! `stepwise data split`: divides the cases of a data set anew.

use std::path::{Path, PathBuf};

use stepwise_data::case::Case;
use stepwise_data::changing_priors::{ENDING, changing_priors, prior_accuracy};
use stepwise_data::check::{self, PlacedCase};
use stepwise_data::dataset::{Dataset, root_of};
use stepwise_data::split::{SIDES, Shares, are_shares, linked};
use stepwise_trainer::trained::images::TrainedImages;

use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;

/// Name of the case file that is written by default, beside the one that is read.
const OUT: &str = "cases-changing-priors.jsonl";

/// Shares of train, validation and test by default.
const SHARES: Shares = [0.6, 0.1, 0.3];

/// Arguments of `data split`.
#[derive(clap::Args)]
pub struct Args {
    /// Case file, or a folder that contains `cases.jsonl`.
    data: PathBuf,
    /// Make the answers that are common in training rare in the test side, question by question, as VQA-CP does. Groups and
    /// near-duplicates stay together. The name of each data set gets the ending `-cp`.
    #[arg(long, required = true)]
    changing_priors: bool,
    /// Keep the cases with an image that this model was trained on in training, so that the model does not know the test side:
    /// a run, a checkpoint, a PEFT folder or a model folder.
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Case file to write, in the folder of the one that is read; by default `cases-changing-priors.jsonl`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Seed of the split; equal seeds give equal splits.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Shares of cases in train, validation and test, which sum to 1; by default 0.6,0.1,0.3.
    #[arg(long, value_name = "TRAIN,VALIDATION,TEST", value_delimiter = ',', default_values_t = SHARES, hide_default_value = true)]
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
    divide(&args.data, args.out.as_deref(), args.model.as_deref(), args.seed, shares)
}

/// Divides the cases of the folder `data` with changing priors and the other defaults, as `data import --changing-priors` does.
///
/// # Errors
///
/// As for [`run`].
pub fn imported(data: &Path, seed: u64) -> CommandResult {
    divide(data, None, None, seed, SHARES)
}

/// Divides the cases at `data`. `out` is the file to write; None is the default. Cases with images of `model` stay in training.
///
/// # Errors
///
/// As for [`run`].
fn divide(data: &Path, out: Option<&Path>, model: Option<&Path>, seed: u64, shares: Shares) -> CommandResult {
    // The sides are made anew, so what crosses the old ones does not matter.
    let (dataset, _) = check::load_with_leaks(data).map_err(Failure::input)?;
    let out = out.map_or_else(|| dataset.root.join(OUT), Path::to_owned);
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
    let known = model.map(known_images).transpose()?;
    let is_kept =
        |case: &Case| known.as_ref().is_some_and(|known| case.images.iter().any(|image| known.contains(&image.sha256)));
    let heartbeat = Heartbeat::start("looking for near-duplicates");
    let fingerprints = check::fingerprints(&PlacedCase::all(&dataset).collect::<Vec<_>>());
    let places = linked(&dataset.cases, |case, image| fingerprints[case][image].as_ref());
    drop(heartbeat);
    let unread = fingerprints.iter().flatten().filter(|found| found.is_none()).count();
    if unread > 0 {
        tell!(
            "warning: images that cannot be read and are compared with no other: {unread} -> `stepwise check` names them"
        );
    }
    let before = prior_accuracy(&dataset.cases);
    let sides = changing_priors(seed, &dataset.cases, &places, is_kept, shares);
    let mut cases = dataset.cases;
    for (case, side) in cases.iter_mut().zip(sides) {
        case.split = side;
        if !case.source.dataset.ends_with(ENDING) {
            case.source.dataset.push_str(ENDING);
        }
    }
    let after = prior_accuracy(&cases);
    let dataset = Dataset::new(&out, cases);
    dataset.save().map_err(Failure::input)?;
    if let Some(model) = model {
        let count = dataset.cases.iter().filter(|case| is_kept(case)).count();
        say!("cases with an image that {} was trained on, kept in training: {count}", model.display());
    }
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

/// Images that the model at `model` was trained on.
fn known_images(model: &Path) -> Result<TrainedImages, Failure> {
    TrainedImages::of_model(model, None).map_err(Failure::input)?.ok_or_else(|| {
        let what =
            "records no images that it was trained on -> check the path, give a run or an exported model, or leave --model out";
        Failure::input(format!("{}: {what}", model.display()))
    })
}
