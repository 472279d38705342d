//! Writes synthetic cases to disk: `images/`, `masks/` and, last, `cases.jsonl`.

use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::{Baselines, MIN_IMAGE_SIZE, SynthOptions, baselines, case};
use crate::case::Case;
use crate::dataset::CASE_FILE;
use crate::jsonl::CaseWriter;
use crate::near_duplicates::Fingerprint;
use crate::problem::Problems;
use crate::split::{keep_together, linked};

/// Summary of a completed [`write()`].
#[derive(Clone, Debug, PartialEq)]
pub struct SynthReport {
    /// Number of cases written.
    pub cases: usize,
    /// Number of questions of all cases.
    pub items: usize,
    /// Number of cases that were moved to the side of a near-duplicate.
    pub moved: usize,
    /// Scores that can be reached without looking at the images.
    pub baselines: Baselines,
}

/// Error of [`write()`].
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// An option has an invalid value; nothing has been written.
    #[error("{field}: {problem} -> {advice}")]
    Options {
        /// Name of the option.
        field: &'static str,
        /// Description of the problem.
        problem: String,
        /// Advice for a valid value.
        advice: &'static str,
    },
    /// The case file exists already; nothing has been written.
    #[error("{}: exists already -> choose another folder, or remove it first", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{}: cannot be written: {source} -> check the folder's permissions and free space", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The case file could not be written.
    #[error(transparent)]
    Cases(#[from] Problems),
}

/// Writes `options.cases` cases under the folder `out`, which is created: images as PNG into `images/`, masks into
/// `masks/`, and the records into `cases.jsonl`. Images and masks that exist are replaced. After each case calls
/// `progress` with the number of cases drawn so far.
///
/// Cases whose images are near-duplicates are written to one side, test before validation before training. The side of such a
/// case can differ from the side that [`case`] draws.
///
/// `cases.jsonl` is written to a temporary file and gets its name only after every image that it names is on disk. An
/// interrupted run leaves images without a case file, never a case file with missing images.
///
/// # Errors
/// When an option has an invalid value or `cases.jsonl` exists already; nothing is then written. When a folder cannot
/// be created, or a file cannot be written, synced or renamed; images written before stay.
pub fn write(out: &Path, options: &SynthOptions, progress: &mut dyn FnMut(usize)) -> Result<SynthReport, SynthError> {
    validate(options)?;
    let target = out.join(CASE_FILE);
    if target.exists() {
        return Err(SynthError::Exists(target));
    }
    for folder in ["images", "masks"] {
        let path = out.join(folder);
        fs::create_dir_all(&path).map_err(|source| SynthError::Io { path, source })?;
    }
    let mut cases: Vec<Case> = Vec::with_capacity(options.cases);
    let mut fingerprints = Vec::with_capacity(options.cases);
    for index in 0..options.cases {
        let drawn = case(index as u64, options);
        save(&out.join(&drawn.case.images[0].path), &drawn.png)?;
        for (path, mask) in &drawn.masks {
            save(&out.join(path), &png(mask.as_raw(), mask.width(), ExtendedColorType::L8))?;
        }
        fingerprints.push(Fingerprint::of(&drawn.image));
        cases.push(drawn.case);
        progress(index + 1);
    }
    let places = linked(&cases, |case, _| Some(&fingerprints[case]));
    let moved = keep_together(&mut cases, &places).len();

    let mut file = CaseWriter::create(&target)?;
    cases.iter().try_for_each(|case| file.write(case))?;
    file.finish()?;
    let items = cases.iter().map(|case| case.chain.len()).sum();
    Ok(SynthReport { cases: cases.len(), items, moved, baselines: baselines(&cases) })
}

fn validate(options: &SynthOptions) -> Result<(), SynthError> {
    let wrong = |field, problem, advice| Err(SynthError::Options { field, problem, advice });
    if options.cases == 0 {
        return wrong("cases", "0 cases would be written".into(), "use 1 or more");
    }
    if options.image_size < MIN_IMAGE_SIZE {
        let problem = format!("findings cannot be told apart at {} pixels", options.image_size);
        return wrong("image_size", problem, "use 64 or more; 128 is the default");
    }
    let sum: f64 = options.splits.iter().sum();
    if !options.splits.iter().all(|share| (0.0..=1.0).contains(share)) || (sum - 1.0).abs() > 1e-6 {
        let problem = format!("{:?} are not probabilities that sum to 1", options.splits);
        return wrong("splits", problem, "give three numbers from 0 to 1 that sum to 1");
    }
    Ok(())
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), SynthError> {
    fs::write(path, bytes).map_err(|source| SynthError::Io { path: path.to_owned(), source })
}

/// Returns a square image of `side` x `side` pixels encoded as PNG. `raw` holds its samples row by row, of the kind
/// `colour`.
///
/// # Panics
/// When `raw` does not have the size of the image.
pub(super) fn png(raw: &[u8], side: u32, colour: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(raw, side, side, colour)
        .expect("writing to memory cannot fail, and the buffer has the size of the image");
    bytes
}
