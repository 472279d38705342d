//! Import by a format: rows to cases, split and report.

use std::collections::BTreeSet;
use std::path::Path;

use stepwise_data::check::{CheckOptions, Files, check, unreachable_boxes};
use stepwise_data::dataset::{CASE_FILE, Dataset};
use stepwise_data::problem::Problems;

use super::assemble::{Common, cases};
use super::crossing::keep_published;
use super::decide::{Decider, answered};
use super::format::{Format, FormatOptions, NOT_RECORDED, Rows, SplitChoice};
use super::groups::Groups;
use super::kept::KeptRow;
use super::map::{CategoryMap, rest};
use super::pictures::Pictures;
use super::repeated::resolve;
use super::report::{FormatReport, REPORT_SCHEMA, no_published_split, write_report};
use crate::import::{ImportError, check_source};
use crate::output::Output;
use crate::sides;

/// Imports `source` by `format` into the new folder `out`: images, then `import.json`, then `cases.jsonl`. Calls `progress`
/// with the number of rows read so far.
///
/// # Errors
/// When the source or the category map cannot be read, a row is faulty (without
/// [`FormatOptions::keep_going`]), no case is left, `out` holds a case file or files that no import wrote, or a file cannot
/// be written. The images that were written are removed.
pub(crate) fn import(
    format: &dyn Format,
    source: &Path,
    out: &Path,
    options: &FormatOptions,
    progress: &dyn Fn(usize),
) -> Result<FormatReport, ImportError> {
    check_source(source)?;
    let map = CategoryMap::load(options.map.as_deref(), format.map())?;
    let rest = options.rest.as_deref().map(rest).transpose()?;
    let Rows(entries) = format.entries(source, options)?;
    let answered = answered(entries);
    let Rows(entries) = format.entries(source, options)?;

    let mut report = FormatReport {
        schema: REPORT_SCHEMA.into(),
        format: format.name().into(),
        dataset: options.dataset.clone().unwrap_or_else(|| format.dataset(source)),
        seed: options.seed,
        ..FormatReport::default()
    };
    let import = description(format.name(), source, options);
    let mut pictures = Pictures::new(Output::create(out)?, &import)?;
    let mut decider = Decider {
        map: &map,
        rest: rest.as_ref(),
        answered: &answered,
        pictures: &mut pictures,
        pixels: &options.pixels,
        report: &mut report,
        problems: Vec::new(),
    };
    let mut rows = Vec::new();
    let mut failure = None;
    for entry in entries {
        match decider.decide(entry) {
            Ok(row) => {
                rows.extend(row);
                progress(decider.report.rows.read);
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    let problems = std::mem::take(&mut decider.problems);
    let failure = match failure {
        None if !problems.is_empty() && !options.keep_going => Some(Problems(problems).into()),
        other => other,
    };
    let finished = match failure {
        Some(error) => Err(error),
        None => finish(source, out, options, rows, &mut pictures, &mut report),
    };
    match finished {
        Ok(()) => Ok(report),
        Err(error) => {
            pictures.remove_all();
            Err(error)
        }
    }
}

/// Describes an import; equal descriptions write equal images.
pub(super) fn description(format: &str, source: &Path, options: &FormatOptions) -> String {
    let source = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    format!("{format} {} {options:?}", source.display())
}

/// Splits the rows, makes the cases, and writes them and the report.
fn finish(
    source: &Path,
    out: &Path,
    options: &FormatOptions,
    rows: Vec<KeptRow>,
    pictures: &mut Pictures,
    report: &mut FormatReport,
) -> Result<(), ImportError> {
    let has_split = rows.iter().any(|row| row.split.is_some());
    let is_published = match options.split {
        SplitChoice::Default => has_split,
        SplitChoice::New => false,
        SplitChoice::Published if has_split => true,
        SplitChoice::Published => return Err(no_published_split(source).into()),
    };
    report.split.kind = if is_published { "published" } else { "new" };
    let groups = Groups::of(&rows);
    report.notes.extend(groups.note(|image| pictures.all[image].image.path.clone()));
    let rows = if is_published { keep_published(rows, pictures, &groups, report) } else { rows };
    let rows = resolve(rows, report);
    if rows.is_empty() {
        return Err(report.without_cases(source).into());
    }
    report.rows.kept = rows.len();
    report.questions.kept = rows.iter().map(|row| row.questions.len()).sum();
    let common = Common {
        dataset: report.dataset.clone(),
        file: source.is_file().then(|| source.file_stem().unwrap_or_default().to_string_lossy().into_owned()),
        licence: options.licence.clone(),
        credentialed: options.credentialed,
        modality: options.modality.clone().unwrap_or_else(|| NOT_RECORDED.into()),
    };
    let mut cases = cases(&rows, pictures, &common, report);
    if !is_published {
        let strata: Vec<String> = cases.iter().map(|case| case.modality.clone()).collect();
        report.notes.extend(sides::split(options.seed, &pictures.output, &mut cases, &strata));
    }
    let used: BTreeSet<&str> = cases.iter().flat_map(|case| &case.images).map(|image| image.path.as_str()).collect();
    let masks: BTreeSet<&str> =
        cases.iter().flat_map(|case| &case.regions).filter_map(|region| region.shape.mask_path()).collect();
    pictures.remove_except(&used, &masks);
    pictures.report(&used, &mut report.pixels);
    report.warnings = pictures.output.warnings();
    report.warnings.extend(unreachable_boxes(&cases));
    report.count(&cases);
    let dataset = Dataset::new(&out.join(CASE_FILE), cases);
    let findings = check(&dataset, &CheckOptions { files: Files::Skip, ..CheckOptions::default() });
    if !findings.problems.is_empty() {
        return Err(Problems(findings.problems).into());
    }
    write_report(out, report)?;
    pictures.complete();
    dataset.save()?;
    Ok(())
}
