//! `stepwise data import`: converts public data sets and users' own tables to cases.

use std::path::{Path, PathBuf};

use stepwise_datasets::{
    CASES, Columns, DrawnOn, FORMATS, Format, FormatOptions, IMPORTERS, ImportOptions, Intensity, PixelOptions, Plane,
    Slices, SplitChoice, WindowChoice, detect, format, import_cases, import_format_observed, importer,
};

use crate::commands::data::split;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;

/// Name that lets the files of the folder decide.
const AUTO: &str = "auto";

/// Format whose columns the user names.
const TABLE: &str = "table";

/// Arguments of `data import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// Data set or layout: auto (recognised by its files), cases (completes case records), table (any CSV, TSV, JSON Lines, JSON array or Parquet
    /// file with named columns), a layout of docs/import.md, or cxr, brain-mri, bccd.
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
    /// Write `cases-changing-priors.jsonl` as well, as `data split --changing-priors` does.
    #[arg(long)]
    changing_priors: bool,
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
    /// Name of the data set in the cases. Groups begin with it, so patients of two imports are the same only where it is
    /// the same. By default the name of a public set, else of the folder of SRC.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    dataset: Option<String>,
    /// Licence of the images; by default the one that the source states.
    #[arg(long)]
    licence: Option<String>,
    /// Mark all cases as credentialed: pages and reports then show neither their images nor their texts.
    #[arg(long)]
    credentialed: bool,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    pixels: PixelArgs,
}

/// Choices about pixels.
#[derive(clap::Args)]
struct PixelArgs {
    /// How values of more than 8 bits become grey levels: LOW:HIGH, 12bit (0:4095), min-max (each image or volume by its
    /// own values) or window:CENTRE/WIDTH. By default 16 bits are scaled over their whole range, images that fill less than
    /// an eighth of it are refused, and DICOM uses its own window.
    #[arg(long, value_name = "MAPPING", allow_hyphen_values = true)]
    intensity: Option<Intensity>,
    /// Number added to the values of 16-bit PNG and TIFF files before `--intensity`, such as -32768.
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true, requires = "intensity")]
    offset: i64,
    /// DICOM: number of the file's window, from 1, or CENTRE/WIDTH; NIfTI: CENTRE/WIDTH.
    #[arg(long, value_name = "N|CENTRE/WIDTH", allow_hyphen_values = true)]
    window: Option<WindowChoice>,
    /// Frame of DICOM files with several, volume of NIfTI files with several, or channel of nnU-Net, from 1.
    #[arg(long, value_name = "N")]
    frame: Option<u32>,
    /// NIfTI: plane of the slices: axial, coronal or sagittal.
    #[arg(long, value_name = "PLANE", default_value = "axial")]
    plane: Plane,
    /// NIfTI: labelled (slices on which a class is), all, or indices from 0 along the stored axis, such as 40,60.
    #[arg(long, value_name = "SLICES", default_value = "labelled")]
    slices: Slices,
    /// Images with an EXIF orientation on which the size in the annotation does not decide: regions were drawn on the
    /// pixels as stored, or on the image as shown. By default the import stops at such images.
    #[arg(long, value_name = "stored|shown")]
    exif: Option<DrawnOn>,
    /// Label maps, and masks of SLAKE: file with a line `VALUE NAME` for each class.
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
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
    let name = chosen(&args.name, args.src.as_deref())?;
    if args.print_map {
        say!("{}", known_format(name)?.map().trim_end());
        return Ok(());
    }
    let options = options(args, name)?;
    let (Some(src), Some(out)) = (&args.src, &args.out) else {
        return Err(Failure::input(
            "data import: SRC and OUT are missing -> give the data set's folder and the folder to write",
        ));
    };
    detail!("format: {name}; seed: {}; source: {}", args.seed, src.display());
    let task = format!("importing {name} from {}", src.display());
    let heartbeat = Heartbeat::start(task.clone());
    let report = match (name, importer(name)) {
        (_, Some(importer)) => {
            if options != (FormatOptions { seed: args.seed, ..FormatOptions::default() }) {
                let what = "takes no other option than --seed -> leave the others out";
                return Err(Failure::input(format!("{name}: {what}")));
            }
            (importer.run)(src, out, &ImportOptions { seed: args.seed }).map_err(Failure::input)?.report
        }
        (CASES, _) => import_cases(src, out, &options).map_err(Failure::input)?,
        _ => {
            let progress = |rows: usize| heartbeat.advance(&task, rows as u64, 0);
            import_format_observed(known_format(name)?, src, out, &options, &progress).map_err(Failure::input)?
        }
    };
    report.lines().iter().for_each(|line| say!("{line}"));
    say!("written to {}", out.display());
    if args.changing_priors {
        say!("");
        split::imported(out, args.seed)?;
    }
    Ok(())
}

/// Returns the name of a format or importer: `name`, or for `auto` the one that the files of `src` show.
fn chosen<'a>(name: &'a str, src: Option<&Path>) -> Result<&'a str, Failure> {
    if name != AUTO {
        return Ok(name);
    }
    let Some(src) = src else {
        let what = "SRC is missing -> name the format, or give the folder";
        return Err(Failure::input(format!("data import auto --print-map: {what}")));
    };
    let found = detect(src).map_err(Failure::input)?;
    tell!("{}: taken for {}, by {}", src.display(), found.name, found.evidence.join(" and "));
    found.others.iter().for_each(|other| tell!("it could have been {other}"));
    Ok(found.name)
}

/// Returns the format of this name.
fn known_format(name: &str) -> Result<&'static dyn Format, Failure> {
    format(name).ok_or_else(|| {
        Failure::input(format!("{name}: has no category map -> name a format of `stepwise data import --help`"))
    })
}

/// Returns the options of an import by the format or importer `name`.
fn options(args: &ImportArgs, name: &str) -> Result<FormatOptions, Failure> {
    let columns = &args.columns;
    let (split, split_column) = match args.split.as_deref() {
        None => (SplitChoice::Default, None),
        Some("published") => (SplitChoice::Published, None),
        Some("new") => (SplitChoice::New, None),
        Some(column) if name == TABLE => (SplitChoice::Default, Some(column.to_owned())),
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
        dataset: args.dataset.clone(),
        licence: args.licence.clone(),
        credentialed: args.credentialed,
        columns: Columns {
            image: columns.image.clone(),
            question: columns.question.clone(),
            answer: columns.answer.clone(),
            options: columns.options.clone(),
            group: columns.group.clone(),
            split: split_column,
        },
        pixels: PixelOptions {
            intensity: args.pixels.intensity,
            offset: args.pixels.offset,
            window: args.pixels.window,
            frame: args.pixels.frame,
            plane: args.pixels.plane,
            slices: args.pixels.slices.clone(),
            exif: args.pixels.exif,
        },
        classes: args.pixels.classes.clone(),
    })
}
