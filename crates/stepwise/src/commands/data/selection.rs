//! Selection of the cases that a page shows.

use std::collections::BTreeSet;

use rand::seq::index::sample;
use stepwise_data::case::Case;
use stepwise_data::check::{Findings, Fingerprints, image_warnings};
use stepwise_data::dataset::Dataset;
use stepwise_data::random::stream;

use super::show::{Args, position};
use crate::exit::Failure;

/// Most cases that a page shows unless `--sample` names a number.
const MOST: usize = 200;

/// Cases that a page shows.
pub struct Selection {
    /// Indices of the cases, in the order of the file; never empty.
    pub shown: Vec<usize>,
    /// Description of the selection.
    pub words: String,
}

/// Selects the cases that the arguments ask for. Equal arguments give equal cases.
///
/// # Errors
///
/// [`Failure::Input`] when no case is as asked for.
pub fn select(
    args: &Args,
    dataset: &Dataset,
    findings: &Findings,
    fingerprints: &Fingerprints,
) -> Result<Selection, Failure> {
    let cases = &dataset.cases;
    let only = args.case.as_ref().map(|id| position(cases, id)).transpose()?;
    // Both cases of a pair are shown.
    let rows = findings.problems.iter().flat_map(|problem| problem.row.iter().chain(&problem.other_rows));
    let with_problem: BTreeSet<usize> = rows.copied().collect();
    let has_finding = |index: usize| {
        let warnings =
            || fingerprints.get(index).is_some_and(|found| !image_warnings([(&cases[index], found)]).is_empty());
        with_problem.contains(&(index + 1)) || warnings()
    };
    let is_wanted = |index: &usize| {
        let case: &Case = &cases[*index];
        only.is_none_or(|only| only == *index)
            && args.split.as_deref().is_none_or(|split| case.split.word() == split)
            && args.category.as_deref().is_none_or(|id| case.chain.iter().any(|item| item.category == id))
            && (!args.problems || has_finding(*index))
    };
    let found: Vec<usize> = (0..cases.len()).filter(is_wanted).collect();
    if found.is_empty() {
        return Err(Failure::input(format!(
            "no case is as asked for by {} -> leave one of them out, or see what there is on a page without them",
            asked(args)
        )));
    }
    let most = args.sample.map_or(MOST, |count| count as usize);
    let total = found.len();
    let all = if total == cases.len() { String::new() } else { format!(" of {}", cases.len()) };
    let filter = if all.is_empty() { String::new() } else { format!(" ({})", asked(args)) };
    if total <= most {
        let words = match total {
            1 => format!("1 case{all}{filter}"),
            _ if all.is_empty() => format!("All {total} cases"),
            _ => format!("{total}{all} cases{filter}"),
        };
        return Ok(Selection { shown: found, words });
    }
    let mut places = sample(&mut stream(0, &["data show"]), total, most).into_vec();
    places.sort_unstable();
    let words = format!("{most} of {total} cases{filter}, drawn at random");
    Ok(Selection { shown: places.into_iter().map(|place| found[place]).collect(), words })
}

/// The arguments that leave cases out, as written on the command line.
fn asked(args: &Args) -> String {
    let named = [("--case", &args.case), ("--category", &args.category), ("--split", &args.split)];
    let named = named.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
    named.chain(args.problems.then(|| "--problems".to_owned())).collect::<Vec<_>>().join(" ")
}
