//! `stepwise data import`: converts public data sets and users' own tables to cases.

use std::path::{Path, PathBuf};

use stepwise_datasets::{
    CASES, Columns, FORMATS, Format, FormatOptions, IMPORTERS, ImportOptions, SplitChoice, detect, format,
    import_cases, import_format, importer,
};

use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;

/// Name that lets the files of the folder decide.
const AUTO: &str = "auto";

/// Format whose columns the user names.
const TABLE: &str = "table";

/// Arguments of `data import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// Data set or layout: auto (recognised by its files), cases (completes case records), table (any CSV, TSV, JSON Lines or JSON array with named
    /// columns), a layout of docs/import.md, or cxr, brain-mri, bccd.
    #[arg(value_name = "FORMAT", value_parser = names())]
    name: String,
    /// Folder or file of the data set, as published.
    #[arg(required_unless_present = "print_map")]
    src: Option<PathBuf>,
    /// The folder to write.
    #[arg(required_unless_present = "print_map")]
    out: Option<PathBuf>,
    /// Seed of the splits, the order of options, and the choice of questions where there are many.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Split: `published` (what crosses it is left out of the earlier sides) or `new` (by group); for a table also the
    /// column with the side (train, validation or test). By default the published split where there is one.
    #[arg(long, value_name = "published|new|COLUMN")]
    split: Option<String>,
    /// Print the category map of the format and stop.
    #[arg(long)]
    print_map: bool,
    /// Category map in TOML that replaces the one of the format.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Category of the questions that no rule of the map applies to; by default they are left out.
    #[arg(long, value_name = "ID")]
    rest: Option<String>,
    /// Leave faulty rows out and count them instead of stopping.
    #[arg(long)]
    keep_going: bool,
    /// COCO: every image was annotated for every class, so that a class without a box is absent.
    #[arg(long)]
    exhaustive: bool,
    /// Modality of the images that record none, such as x-ray.
    #[arg(long)]
    modality: Option<String>,
    /// Licence of the images.
    #[arg(long)]
    licence: Option<String>,
    #[command(flatten)]
    columns: ColumnArgs,
}

/// Columns of the format `table`.
#[derive(clap::Args)]
struct ColumnArgs {
    /// Table: column with the path of the image; several for several images.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    image: Vec<String>,
    /// Table: column with the question.
    #[arg(long, value_name = "COLUMN")]
    question: Option<String>,
    /// Table: column with the right answer: text, letter, or letter and text.
    #[arg(long, value_name = "COLUMN")]
    answer: Option<String>,
    /// Table: columns with one option each, or one column with all of them, as a JSON list or separated by `|`.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    options: Vec<String>,
    /// Table: column with the group, such as a patient.
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
}

fn names() -> Vec<&'static str> {
    let formats = FORMATS.iter().map(|format| format.name());
    [AUTO, CASES].into_iter().chain(formats).chain(IMPORTERS.iter().map(|importer| importer.name)).collect()
}

/// Imports a data set and prints the report.
///
/// # Errors
///
/// [`Failure::Input`] when the data set is not recognised, cannot be read or is faulty, or the folder cannot be written.
pub fn run(args: &ImportArgs) -> CommandResult {
    if args.print_map {
        let map = chosen(&args.name, args.src.as_deref())?.map();
        say!("{}", map.trim_end());
        return Ok(());
    }
    let options = options(args)?;
    if let (Some(src), Some(out), Some(importer)) = (&args.src, &args.out, importer(&args.name)) {
        if options != (FormatOptions { seed: args.seed, ..FormatOptions::default() }) {
            let what = "takes no other option than --seed -> leave the others out";
            return Err(Failure::input(format!("{}: {what}", args.name)));
        }
        let _heartbeat = Heartbeat::start(format!("importing {} from {}", args.name, src.display()));
        let report = (importer.run)(src, out, &ImportOptions { seed: args.seed }).map_err(Failure::input)?;
        report.skipped.iter().for_each(|reason| tell!("note: {reason}"));
        report.warnings.iter().for_each(|line| tell!("warning: {line}"));
        say!("{} cases, {} questions, {} regions in {}", report.cases, report.items, report.regions, out.display());
        return Ok(());
    }
    let (Some(src), Some(out)) = (&args.src, &args.out) else {
        return Err(Failure::input(
            "data import: SRC and OUT are missing -> give the data set's folder and the folder to write",
        ));
    };
    let _heartbeat = Heartbeat::start(format!("importing {} from {}", args.name, src.display()));
    let imported = match args.name.as_str() {
        CASES => import_cases(src, out, &options),
        name => import_format(chosen(name, Some(src))?, src, out, &options),
    };
    let report = imported.map_err(Failure::input)?;
    report.lines().iter().for_each(|line| say!("{line}"));
    say!("written to {}", out.display());
    Ok(())
}

/// Returns the format of this name, or the one that the files of `src` show.
fn chosen(name: &str, src: Option<&Path>) -> Result<&'static dyn Format, Failure> {
    match (name, src) {
        (AUTO, Some(src)) => {
            let found = detect(src).map_err(Failure::input)?;
            tell!("{}: taken for {}, by {}", src.display(), found.format.name(), found.evidence.join(" and "));
            Ok(found.format)
        }
        (AUTO, None) => {
            Err(Failure::input("data import auto --print-map: SRC is missing -> name the format, or give the folder"))
        }
        _ => format(name).ok_or_else(|| {
            Failure::input(format!("{name}: has no category map -> name a format of `stepwise data import --help`"))
        }),
    }
}

fn options(args: &ImportArgs) -> Result<FormatOptions, Failure> {
    let columns = &args.columns;
    let (split, split_column) = match args.split.as_deref() {
        None => (SplitChoice::Default, None),
        Some("published") => (SplitChoice::Published, None),
        Some("new") => (SplitChoice::New, None),
        Some(column) if args.name == TABLE => (SplitChoice::Default, Some(column.to_owned())),
        Some(other) => {
            let advice = "write published or new; a column is for the format table";
            return Err(Failure::input(format!("--split {other}: is no split -> {advice}")));
        }
    };
    Ok(FormatOptions {
        seed: args.seed,
        split,
        map: args.map.clone(),
        rest: args.rest.clone(),
        keep_going: args.keep_going,
        exhaustive: args.exhaustive,
        modality: args.modality.clone(),
        licence: args.licence.clone(),
        columns: Columns {
            image: columns.image.clone(),
            question: columns.question.clone(),
            answer: columns.answer.clone(),
            options: columns.options.clone(),
            group: columns.group.clone(),
            split: split_column,
        },
    })
}
