//! Import of the real data sets, where these are present.

use std::collections::BTreeMap;

use stepwise_data::case::{Case, Split};
use stepwise_data::check::{PlacedCase, fingerprints, load, near_images};
use stepwise_testing::files::real as real_folder;

use super::{importer, sound};
use crate::ImportOptions;

/// Imports and checks a real data set. Returns its cases, without and with marks, and the notes of the import; None when
/// the data set is absent.
fn real(name: &str) -> Option<(Vec<Case>, Vec<Case>, Vec<String>)> {
    let source = real_folder(&format!("data/{name}"))?;
    let folder = tempfile::tempdir().expect("writable");
    let importer = importer(name).expect("known");
    let report = (importer.run)(&source, folder.path(), &ImportOptions::default()).expect("imports");
    let dataset = sound(folder.path());
    assert_eq!(report.cases, dataset.cases.len());
    let (marked, cases) = dataset.cases.into_iter().partition(|case| case.case_id.ends_with("-marks"));
    Some((cases, marked, report.skipped))
}

fn sides(cases: &[Case]) -> BTreeMap<Split, usize> {
    let mut counts = BTreeMap::new();
    cases.iter().for_each(|case| *counts.entry(case.split).or_default() += 1);
    counts
}

#[test]
fn all_chest_x_rays_are_imported() {
    let Some((cases, marked, skipped)) = real("cxr") else { return };
    assert!((1..=11).contains(&marked.len()), "{}", marked.len());
    assert_eq!(cases.len(), 42);
    // 276 structures; for nine monitoring probes only the presence is known, one has a stray mask, eleven findings are in
    // doubt, and ten structures lie on the two images with arrows.
    assert_eq!(cases.iter().map(|case| case.regions.len()).sum::<usize>(), 245);
    assert_eq!(skipped.iter().filter(|line| line.contains("no mask")).count(), 9);
    let counted = |words: &str| skipped.iter().filter(|line| line.contains(words)).count();
    assert_eq!((counted("left out:"), counted("arrows are drawn on it")), (2, 2), "{skipped:#?}");
    let concluded = cases.iter().filter(|case| case.chain.iter().any(|item| item.stage == 4)).count();
    assert_eq!((concluded, counted("diagnosis not asked")), (cases.len() - 6, 6));
    assert_eq!(sides(&cases).len(), 3);
}

#[test]
fn all_brain_slices_are_imported() {
    let Some((cases, marked, skipped)) = real("brain-mri") else { return };
    assert_eq!((marked.len(), sides(&marked).len()), (99, 3));
    assert_eq!((cases.len(), cases.iter().map(|case| case.regions.len()).sum()), (480, 480usize));
    assert!(skipped.iter().all(|line| line.contains("kept on the side of")), "{skipped:#?}");
    for folder in ["pituitary", "meningioma", "glioma"] {
        let own: Vec<Case> = cases.iter().filter(|case| case.case_id.contains(folder)).cloned().collect();
        assert_eq!((own.len(), sides(&own).len()), (160, 3), "{folder}");
    }
}

#[test]
fn all_blood_smears_are_imported() {
    let Some((cases, marked, skipped)) = real("bccd") else { return };
    assert_eq!((marked.len(), sides(&marked).len()), (189, 3));
    assert_eq!(cases.len(), 364);
    // 4,888 boxes, two of them without area.
    assert_eq!(cases.iter().map(|case| case.regions.len()).sum::<usize>(), 4886);
    assert_eq!(skipped.iter().filter(|line| line.contains("ignored")).count(), 2);
    // The split of the source, except near-duplicates of held-out smears.
    let moved = skipped.iter().filter(|line| line.contains("moved to")).count();
    let away: usize = sides(&cases).into_values().zip([205usize, 87, 72]).map(|(has, had)| has.abs_diff(had)).sum();
    assert!(moved <= 7 && away <= 2 * moved, "{moved} moved, {away} away");
}

#[test]
fn images_of_different_patients_are_no_near_duplicates() {
    for name in ["cxr", "brain-mri"] {
        let Some(source) = real_folder(&format!("data/{name}")) else { continue };
        let folder = tempfile::tempdir().expect("writable");
        let importer = importer(name).expect("known");
        (importer.run)(&source, folder.path(), &ImportOptions::default()).expect("imports");
        let dataset = load(folder.path()).expect("a data set");
        let is_original = |placed: &PlacedCase<'_>| !placed.case.case_id.ends_with("-marks");
        let placed: Vec<PlacedCase<'_>> = PlacedCase::all(&dataset).filter(is_original).collect();
        let of_two = |one: usize, other: usize| placed[one].case.group_id != placed[other].case.group_id;
        let found = near_images(&placed, of_two, &fingerprints(&placed));
        let names: Vec<[&str; 2]> = found
            .iter()
            .map(|near| [near.earlier, near.case].map(|place| placed[place].case.case_id.as_str()))
            .collect();
        // These slices show the same patients, as their anatomy says; the numbers of their files do not say it.
        let same_patient: &[[&str; 2]] = match name {
            "brain-mri" => &[
                ["brain-mri-glioma-0210", "brain-mri-glioma-0715"],
                ["brain-mri-glioma-1993", "brain-mri-glioma-2356"],
                ["brain-mri-glioma-1992", "brain-mri-glioma-2357"],
            ],
            _ => &[],
        };
        assert_eq!(names, same_patient, "{name}");
    }
}
