//! Sizes of images and regions.

use std::collections::BTreeMap;

use stepwise_data::case::{Case, Region};

use super::input::CasesInput;
use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Most sizes and kinds of regions that are listed.
const LISTED: usize = 60;

/// Renders the section `sizes`: images by width and height, and regions by role and label.
pub fn section(input: &CasesInput<'_>) -> Option<ReportSection> {
    Some(ReportSection {
        id: "sizes",
        title: "Sizes",
        intro: "Images in pixels as shown, the most frequent sizes first. Regions by role and label; the longer side of the \
                region\u{2019}s box in percent of the image\u{2019}s side. Boxes of very small regions are hard to answer."
            .to_owned(),
        body: String::new(),
        tables: [Some(images(input)), regions(input)].into_iter().flatten().map(ReportTable::open).collect(),
        half: false,
    })
}

/// Table of the sizes of images.
fn images(input: &CasesInput<'_>) -> ReportTable {
    let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for image in input.dataset.cases.iter().flat_map(|case| &case.images) {
        *counts.entry((image.width, image.height)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rows = counts
        .into_iter()
        .take(LISTED)
        .map(|((width, height), count)| [Cell::Text(format!("{width} \u{d7} {height}")), Cell::Count(count)]);
    ReportTable::new("image_sizes", "images by size", [("pixels", "pixels"), ("images", "images")], rows)
}

/// Table of the regions; None where there is none.
fn regions(input: &CasesInput<'_>) -> Option<ReportTable> {
    let mut sides: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for case in input.open_cases() {
        for region in &case.regions {
            let found = sides.entry((region.role.word(), region.label.as_str())).or_default();
            found.extend(longer_side(case, region));
        }
    }
    if sides.is_empty() {
        return None;
    }
    let mut sides: Vec<_> = sides.into_iter().collect();
    sides.sort_by_key(|(_, found)| std::cmp::Reverse(found.len()));
    let rows = sides.into_iter().take(LISTED).map(|((role, label), mut found)| {
        found.sort_by(f64::total_cmp);
        let at = |part: f64| Cell::Number(found.get(((found.len() as f64 - 1.0) * part).max(0.0) as usize).copied());
        [Cell::text(label), Cell::text(role), Cell::Count(found.len()), at(0.0), at(0.5), at(1.0)]
    });
    let columns = [
        ("label", "label"),
        ("role", "role"),
        ("regions", "regions"),
        ("smallest", "smallest, %"),
        ("median", "median, %"),
        ("largest", "largest, %"),
    ];
    Some(ReportTable::new("region_sizes", "regions by label, longer side of the box", columns, rows))
}

/// Longer side of the region's box in percent of the image's side; None for a region without image or points.
fn longer_side(case: &Case, region: &Region) -> Option<f64> {
    let image = case.images.iter().find(|image| image.id == region.image)?;
    let [x0, y0, x1, y1] = region.shape.bounds();
    let side = ((x1 - x0) / f64::from(image.width)).max((y1 - y0) / f64::from(image.height)) * 100.0;
    side.is_finite().then_some(side)
}
