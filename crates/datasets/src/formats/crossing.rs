//! Published splits: what stands on two sides, by image, near-duplicate or group, is kept on the later side only.

use std::collections::BTreeSet;

use stepwise_data::case::Split;
use stepwise_data::near_duplicates::near_duplicates;
use stepwise_data::split::join;

use super::groups::Groups;
use super::kept::KeptRow;
use super::pictures::Pictures;
use super::report::FormatReport;

/// Keeps the rows of the test side, then the validation rows, then the training rows that share neither image,
/// near-duplicate nor link with a row of a later side. Counts what is left out in `report`.
pub(super) fn keep_published(
    rows: Vec<KeptRow>,
    pictures: &Pictures,
    groups: &Groups,
    report: &mut FormatReport,
) -> Vec<KeptRow> {
    let classes = classes(pictures);
    let (mut images, mut near, mut links) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut rows: Vec<(usize, KeptRow)> = rows.into_iter().enumerate().collect();
    let mut kept: Vec<(usize, KeptRow)> = Vec::new();
    for side in [Split::Test, Split::Validation, Split::Train] {
        let (now, later) = rows.into_iter().partition(|(_, row): &(usize, KeptRow)| row.split == Some(side));
        rows = later;
        let mut stay: Vec<(usize, KeptRow)> = Vec::new();
        let mut crossing: Vec<(&str, KeptRow)> = Vec::new();
        for (place, row) in now {
            let reason = if row.images.iter().any(|image| images.contains(image)) {
                Some("the same image is on a later side of the split")
            } else if row.links.iter().any(|link| links.contains(groups.whole(link))) {
                Some("the same group is on a later side of the split")
            } else if row.images.iter().any(|image| near.contains(&classes[*image])) {
                Some("a near-duplicate is on a later side of the split")
            } else {
                None
            };
            match reason {
                Some(reason) => crossing.push((reason, row)),
                None => stay.push((place, row)),
            }
        }
        for (reason, row) in crossing {
            report.rows.left_out.add(reason, row.place.short());
            for _ in &row.questions {
                report.questions.left_out.add(reason, row.place.short());
                report.split.crossed.add(format!("{}: {reason}", name(side)), row.place.short());
            }
        }
        for (_, row) in &stay {
            images.extend(row.images.iter().copied());
            near.extend(row.images.iter().map(|image| classes[*image]));
            links.extend(row.links.iter().map(|link| groups.whole(link).to_owned()));
        }
        kept.extend(stay);
    }
    for (_, row) in rows {
        let reason = "no side of the split is named";
        report.rows.left_out.add(reason, row.place.short());
        row.questions.iter().for_each(|_| report.questions.left_out.add(reason, row.place.short()));
    }
    kept.sort_by_key(|(place, _)| *place);
    kept.into_iter().map(|(_, row)| row).collect()
}

fn name(side: Split) -> &'static str {
    match side {
        Split::Train => "train",
        Split::Validation => "validation",
        Split::Test => "test",
    }
}

/// Returns for each image the first image of its class of near-duplicates.
fn classes(pictures: &Pictures) -> Vec<usize> {
    let found = pictures.all.iter().enumerate();
    let found = found.filter_map(|(index, picture)| Some((index, pictures.output.fingerprint(&picture.image)?)));
    let (indices, fingerprints): (Vec<usize>, Vec<_>) = found.unzip();
    let pairs = near_duplicates(&fingerprints, |one, other| one != other);
    join(pictures.all.len(), pairs.into_iter().map(|pair| (indices[pair.one], indices[pair.other])))
}
