//! What a run was trained on: patients and images, recorded in its folder, so that later evaluations can tell whether
//! cases were trained on, also when the training data is gone.

pub mod images;
pub mod known;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use stepwise_data::case::Case;
use stepwise_data::check::{Fingerprints, NearImage, PlacedCase, fingerprints};
use stepwise_data::io::atomic::AtomicFile;
use stepwise_data::near_duplicates::{Fingerprint, near_duplicates};

use crate::cases::Cases;

/// Name of the record in the folder of a run.
pub const TRAINED_FILE: &str = "trained.jsonl";

/// Name of the list of trained images in the folder of a model.
pub const IMAGES_FILE: &str = "trained_images.txt";

const SCHEMA: &str = "trained/1";

/// Patients and images of the training cases of a run. Empty for synthetic cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trained {
    cases: Vec<TrainedCase>,
    /// Sentences about evaluation cases of the run itself that the training, or an earlier training of its base, contains
    /// in part; None where there are none.
    pub leaks: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct TrainedCase {
    /// Place of the case, `file:row`.
    place: String,
    group: String,
    /// Whether the data set needs credentials, so that digests of its images are recorded and no fingerprints, which show them.
    is_credentialed: bool,
    /// Digest of each image, and its fingerprint; None where the image could not be read.
    images: Vec<(String, Option<Fingerprint>)>,
}

/// First line of the record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaks: Option<String>,
}

impl Head {
    fn read(line: Option<io::Result<String>>) -> io::Result<Self> {
        let head: Self = serde_json::from_str(&line.unwrap_or_else(|| Ok(String::new()))?)?;
        match head.schema == SCHEMA {
            true => Ok(head),
            false => Err(io::Error::other(format!("has the schema `{}`, not `{SCHEMA}`", head.schema))),
        }
    }
}

/// One line of the record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    place: String,
    group_id: String,
    images: Vec<ImageLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageLine {
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

impl Trained {
    /// Collects the training cases. `fingerprints` begin with those of their images, in the order of the cases; none for
    /// synthetic cases.
    #[must_use]
    pub fn of(cases: &Cases, fingerprints: Fingerprints) -> Self {
        let placed = cases.pictures.placed(&cases.train);
        let case = |(PlacedCase { file, row, case }, found): (&PlacedCase<'_>, Vec<Option<Fingerprint>>)| {
            let digests = case.images.iter().map(|image| image.sha256.clone());
            let images = digests.zip(found).collect();
            TrainedCase {
                place: format!("{}:{row}", file.display()),
                group: case.group_id.clone(),
                is_credentialed: case.source.credentialed,
                images,
            }
        };
        Self { cases: placed.iter().zip(fingerprints).map(case).collect(), leaks: None }
    }

    /// Reads the images of the training cases, and collects the cases like [`Trained::of`].
    #[must_use]
    pub fn of_files(cases: &Cases) -> Self {
        Self::of(cases, fingerprints(&cases.pictures.placed(&cases.train)))
    }

    /// Reads the record in the folder of a run. None where the run has none.
    ///
    /// # Errors
    /// When the file cannot be read or is not one of this version.
    pub fn read(run: &Path) -> io::Result<Option<Self>> {
        let Some((Head { leaks, .. }, lines)) = open(run)? else { return Ok(None) };
        let mut cases = Vec::new();
        for line in lines {
            let Line { place, group_id, images } = line?;
            let image = |ImageLine { sha256, fingerprint }| {
                let bytes = fingerprint.and_then(|text| STANDARD.decode(text).ok());
                (sha256, bytes.and_then(|bytes| Fingerprint::from_bytes(&bytes)))
            };
            let images = images.into_iter().map(image).collect();
            cases.push(TrainedCase { place, group: group_id, is_credentialed: false, images });
        }
        Ok(Some(Self { cases, leaks }))
    }

    /// Returns whether the record has the fingerprints of all images. It has none of images of credentialed data sets,
    /// because a fingerprint holds a small picture, nor of images in a record of another version.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.cases.iter().all(|case| case.images.iter().all(|(_, found)| found.is_some()))
    }

    /// Writes the record into the folder of a run: about 11 KB for an image. Fingerprints of credentialed data sets are
    /// left out.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, run: &Path) -> io::Result<()> {
        // Line by line: the text of many images is longer than the fingerprints in memory.
        let mut file = AtomicFile::create(&run.join(TRAINED_FILE))?;
        serde_json::to_writer(&mut file, &Head { schema: SCHEMA.to_owned(), leaks: self.leaks.clone() })?;
        file.write_all(b"\n")?;
        for TrainedCase { place, group, is_credentialed, images } in &self.cases {
            let image = |(sha256, found): &(String, Option<Fingerprint>)| ImageLine {
                sha256: sha256.clone(),
                fingerprint: found.as_ref().filter(|_| !is_credentialed).map(|found| STANDARD.encode(found.to_bytes())),
            };
            let images = images.iter().map(image).collect();
            serde_json::to_writer(&mut file, &Line { place: place.clone(), group_id: group.clone(), images })?;
            file.write_all(b"\n")?;
        }
        file.commit()
    }

    /// Looks for evaluation cases of `tested` that the training contained in part: the same image, a near-duplicate, or
    /// the same group. None where there are none. Synthetic cases are left out.
    #[must_use]
    pub fn seen(&self, tested: &Cases) -> Option<SeenCases> {
        if self.cases.is_empty() {
            return None;
        }
        let placed = tested.pictures.placed(&tested.eval);
        let fingerprints = fingerprints(&placed);
        let mut found = self.same_names(&placed);
        let trained =
            self.cases.iter().enumerate().flat_map(|(index, case)| {
                case.images.iter().filter_map(move |(_, found)| Some((index, found.as_ref()?)))
            });
        let (mut owners, mut images): (Vec<usize>, Vec<&Fingerprint>) = trained.unzip();
        let count = images.len();
        for (index, of_case) in fingerprints.iter().enumerate().filter(|(index, _)| !found.contains_key(index)) {
            images.extend(of_case.iter().flatten());
            owners.resize(images.len(), index);
        }
        for pair in near_duplicates(&images, |one, other| one < count && other >= count) {
            found.entry(owners[pair.other]).or_insert(owners[pair.one]);
        }
        self.seen_cases(&placed, &found)
    }

    /// Looks for evaluation cases of the run's own `cases` like [`Trained::seen`]. `near` are the near-duplicates among
    /// [`Cases::all`], so that images are not compared a second time.
    #[must_use]
    pub fn seen_in_run(&self, cases: &Cases, near: &[NearImage]) -> Option<SeenCases> {
        let placed = cases.pictures.placed(&cases.eval);
        let mut found = self.same_names(&placed);
        let (trained, evaluated) = (cases.train.len(), cases.train.len() + cases.eval.len());
        let of_training = |pair: &&NearImage| pair.earlier < trained && (trained..evaluated).contains(&pair.case);
        for NearImage { earlier, case, .. } in near.iter().filter(of_training) {
            found.entry(case - trained).or_insert(*earlier);
        }
        self.seen_cases(&placed, &found)
    }

    /// Returns the evaluation cases with a group or an image of a training case, by their indices, each with the index
    /// of the training case.
    fn same_names(&self, placed: &[PlacedCase<'_>]) -> BTreeMap<usize, usize> {
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (index, case) in self.cases.iter().enumerate() {
            let digests = case.images.iter().map(|(digest, _)| digest.as_str());
            std::iter::once(case.group.as_str()).chain(digests).for_each(|name| {
                known.entry(name).or_insert(index);
            });
        }
        let first = |case: &Case| names(case).find_map(|name| known.get(name)).copied();
        let found = placed.iter().enumerate();
        found.filter_map(|(index, PlacedCase { case, .. })| Some((index, first(case)?))).collect()
    }

    /// Describes the evaluation cases in `found`, by their indices in `placed`, each with the index of the training case.
    /// None where there are none.
    fn seen_cases(&self, placed: &[PlacedCase<'_>], found: &BTreeMap<usize, usize>) -> Option<SeenCases> {
        let (first, known) = found.first_key_value()?;
        let first = &placed[*first];
        Some(SeenCases {
            count: found.len(),
            total: placed.len(),
            first: format!("{}:{}", first.file.display(), first.row),
            trained: self.cases[*known].place.clone(),
        })
    }
}

/// Opens the record in the folder of a run: its first line, and its lines about cases, which are read one by one. None
/// where the run has none.
fn open(run: &Path) -> io::Result<Option<(Head, impl Iterator<Item = io::Result<Line>>)>> {
    let file = match std::fs::File::open(run.join(TRAINED_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut lines = bounded_lines(BufReader::new(file), LONGEST_LINE);
    let head = Head::read(lines.next())?;
    Ok(Some((head, lines.map(|line| -> io::Result<Line> { Ok(serde_json::from_str(&line?)?) }))))
}

/// Longest accepted line of a record in bytes, 64 MiB: a case with six thousand images.
const LONGEST_LINE: u64 = 64 << 20;

/// Returns the lines of `record` with line ends. A line above `longest` bytes is an error and is not read to its end.
fn bounded_lines(mut record: impl BufRead, longest: u64) -> impl Iterator<Item = io::Result<String>> {
    std::iter::from_fn(move || {
        let mut line = String::new();
        match record.by_ref().take(longest + 1).read_line(&mut line) {
            Ok(0) => None,
            Ok(read) if read as u64 > longest => {
                Some(Err(io::Error::other(format!("has a line above {longest} bytes"))))
            }
            Ok(_) => Some(Ok(line)),
            Err(error) => Some(Err(error)),
        }
    })
}

/// Returns the sentences of [`Trained::leaks`] that the run in the folder `run` recorded. None without a record, or where
/// it cannot be read.
#[must_use]
pub fn recorded_leaks(run: &Path) -> Option<String> {
    let (head, _) = open(run).ok()??;
    head.leaks
}

/// Returns the digests of the images that the run in the folder `run` recorded; empty without a record.
fn recorded_images(run: &Path) -> io::Result<BTreeSet<String>> {
    let Some((_, lines)) = open(run)? else { return Ok(BTreeSet::new()) };
    let mut digests = BTreeSet::new();
    for line in lines {
        digests.extend(line?.images.into_iter().map(|image| image.sha256));
    }
    Ok(digests)
}

/// Group and image digests of a case.
fn names(case: &Case) -> impl Iterator<Item = &str> {
    let digests = case.images.iter().map(|image| image.sha256.as_str());
    std::iter::once(case.group_id.as_str()).chain(digests)
}

/// Evaluation cases that show an image of the training cases, equal or nearly equal, or belong to one of their groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCases {
    /// Number of such cases.
    pub count: usize,
    /// Number of all evaluation cases.
    pub total: usize,
    /// Place of the first one, `file:row`.
    pub first: String,
    /// Place of the training case with its image or group.
    pub trained: String,
}

impl SeenCases {
    /// Returns the finding for a report, as a part of a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "{} of {} evaluated cases share a patient or an image, equal or nearly equal, with the training data, so the \
             results are too good (`--allow-leaks`)",
            self.count, self.total
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_an_error_and_is_not_read_to_its_end() {
        let read = |record: &str| bounded_lines(record.as_bytes(), 4).collect::<io::Result<Vec<_>>>();
        assert_eq!(read("ab\nabc\n").expect("short"), ["ab\n", "abc\n"]);
        assert_eq!(read("").expect("empty"), [""; 0]);
        assert_eq!(read("ab\nabcd\n").expect_err("long").to_string(), "has a line above 4 bytes");
        // A source without an end.
        let mut lines = bounded_lines(BufReader::new(io::repeat(b'a')), 1 << 16);
        assert!(lines.next().is_some_and(|line| line.is_err()));
    }
}
