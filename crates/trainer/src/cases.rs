//! The cases of a run and their images, read from dataset folders or generated synthetically.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use image::RgbImage;
use stepwise_benchmark::runner::RunError;
use stepwise_data::abstain_option;
use stepwise_data::case::{Case, Split};
use stepwise_data::check::{self, PlacedCase, unreachable_boxes};
use stepwise_data::dataset::{Dataset, DatasetImageError, image_below, image_path, root_of};
use stepwise_data::io::digest::sha256_file;
use stepwise_data::problem::{Problem, Problems};
use stepwise_data::synth::{self, SynthOptions};
use stepwise_recipe::{CaseSource, Data};
use stepwise_vlm::processor::Processor;

use crate::thumbnails::Thumbnails;

/// Why the cases of a run cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The dataset cannot be read, or its cases are invalid.
    #[error("{0}")]
    Dataset(String),
    /// Two datasets contain a case with the same id.
    #[error("{}: the case id `{case_id}` also occurs in {} -> change the case ids of one of the two datasets", second.display(), first.display())]
    Twice {
        /// Id of the case.
        case_id: String,
        /// Dataset that contains the id first.
        first: PathBuf,
        /// Dataset that repeats the id.
        second: PathBuf,
    },
    /// Cases contradict each other.
    #[error("{0}")]
    Between(Problems),
    /// A patient or an image is on two sides of the split.
    #[error(
        "{0}\na patient or an image is on two sides of the split -> correct the split, or go on with `--allow-leaks`, which the report then says"
    )]
    Leaks(Problems),
    /// An image is missing, damaged or refused.
    #[error(transparent)]
    Image(#[from] RunError),
    /// An image file differs from the image that was recorded with the case.
    #[error("case {case_id}: {problem}; `stepwise check` lists all such files")]
    Changed {
        /// Id of the case.
        case_id: String,
        /// The file, what is wrong, and what to do.
        problem: String,
    },
    /// The split to evaluate has no cases.
    #[error("no {} cases in {place}: it has {} -> name a split that has cases, such as `--split {}`", split.word(), counts(splits), most(splits))]
    NoSplit {
        /// The split.
        split: Split,
        /// Dataset that was searched.
        place: String,
        /// Number of cases of the splits that have any.
        splits: BTreeMap<Split, usize>,
    },
    /// A split has no cases.
    #[error("no {split} cases in {place} -> {help}")]
    Empty {
        /// Name of the split: training or evaluation.
        split: &'static str,
        /// Dataset that was searched.
        place: String,
        /// Advice.
        help: &'static str,
    },
}

fn counts(splits: &BTreeMap<Split, usize>) -> String {
    splits.iter().map(|(split, count)| format!("{count} {} cases", split.word())).collect::<Vec<_>>().join(" and ")
}

/// Last split with cases: test, or else validation, or else train.
fn most(splits: &BTreeMap<Split, usize>) -> &'static str {
    splits.keys().next_back().map_or("train", |split| split.word())
}

/// The cases of a run.
#[derive(Debug)]
pub struct Cases {
    /// Training cases, at most `max_samples` of the recipe.
    pub train: Vec<Case>,
    /// Evaluation cases: all cases of the recipe's `eval_split`.
    pub eval: Vec<Case>,
    /// Cases of the other sides of the split, which the run neither trains on nor evaluates. A later evaluation may use
    /// them, so they are compared with the training cases, too.
    pub held_out: Vec<Case>,
    /// Source of their images.
    pub pictures: CaseImages,
    /// Remarks on the cases that do not stop a run, each as a line.
    pub warnings: Vec<String>,
    /// Groups and image files on two sides of the split. [`crate::preflight::leaks`] finds near-duplicates as well, and
    /// refuses or allows all of them.
    pub leaks: Vec<Problem>,
    /// Thumbnails of the images of the training cases, made at their first use.
    thumbnails: OnceLock<Thumbnails>,
}

/// What happens where a patient or an image is on two sides of the split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeakRule {
    /// The cases are refused.
    #[default]
    Refuse,
    /// The cases are used, and reports say so.
    Allow,
}

impl LeakRule {
    /// Returns `leaks`, or refuses them.
    ///
    /// # Errors
    /// [`CasesError::Leaks`] with [`LeakRule::Refuse`] where there are any.
    pub fn apply(self, leaks: Vec<Problem>) -> Result<Vec<Problem>, CasesError> {
        match self {
            Self::Refuse if !leaks.is_empty() => Err(CasesError::Leaks(Problems(leaks))),
            _ => Ok(leaks),
        }
    }
}

/// Place where a case is written.
#[derive(Clone, Debug)]
pub struct CasePlace {
    /// Path of the case file. Its folder contains the images.
    pub file: Arc<Path>,
    /// Row in the file, from 1.
    pub row: usize,
}

/// Source of case images.
#[derive(Clone, Debug)]
pub enum CaseImages {
    /// Image files of dataset folders.
    Files {
        /// Place of each case, by case id.
        places: HashMap<String, CasePlace>,
    },
    /// Synthetic images, generated on demand.
    Drawn {
        /// Options of the generator.
        options: SynthOptions,
        /// Number of each synthetic case, by case id.
        numbers: HashMap<String, u64>,
    },
}

impl Cases {
    /// Loads or generates the cases that `[data]` describes, adds its abstain option to choices that have none, and
    /// splits them into training and evaluation cases. Images are read only when they are needed.
    ///
    /// # Errors
    /// When a dataset cannot be read, a case id occurs twice, a patient or an image file is on two sides of the split,
    /// also in different folders, or a split has no cases.
    pub fn open(data: &Data) -> Result<Self, CasesError> {
        let mut cases = Self::open_with_leaks(data)?;
        cases.leaks = LeakRule::Refuse.apply(cases.leaks)?;
        Ok(cases)
    }

    /// Loads or generates the cases like [`Cases::open`], but accepts a patient or an image file on two sides of the
    /// split; [`Cases::leaks`] has them.
    ///
    /// # Errors
    /// As [`Cases::open`], except for patients and image files on two sides.
    pub fn open_with_leaks(data: &Data) -> Result<Self, CasesError> {
        let (cases, splits) = Self::read(data)?;
        let empty = |split, help| CasesError::Empty { split, place: place(data), help };
        if cases.train.is_empty() {
            return Err(empty("training", "set `split = \"train\"` in some cases; `stepwise check` counts the splits"));
        }
        if cases.eval.is_empty() {
            let is_set = matches!(data.source, CaseSource::Dataset(_));
            let help = match splits.keys().any(|split| *split != Split::Train) || !is_set {
                true => "set `[data] eval_split` to a split that has cases, or add some cases",
                false => {
                    "import the data set with `--split new`, which makes a validation and a test side, or add some cases"
                }
            };
            return Err(empty("evaluation", help));
        }
        Ok(cases)
    }

    /// Returns the thumbnails of the images of the training cases. The first call decodes all of these images and calls
    /// `advance` with the number of cases that are done.
    ///
    /// # Errors
    /// When an image cannot be read or has another size than its case states.
    pub fn thumbnails(&self, advance: &mut dyn FnMut(usize)) -> Result<&Thumbnails, RunError> {
        if let Some(known) = self.thumbnails.get() {
            return Ok(known);
        }
        let made = Thumbnails::of(&self.train, &self.pictures, advance)?;
        Ok(self.thumbnails.get_or_init(|| made))
    }

    /// Sets the grids on which boxes are answered, as the model of `processor` gives them. Returns a warning of boxes that no
    /// answer can match.
    pub fn set_box_grids(&mut self, processor: &Processor) -> Option<String> {
        for case in self.train.iter_mut().chain(&mut self.eval) {
            case.set_box_grid(|width, height| processor.box_grid(width, height));
        }
        unreachable_boxes(self.train.iter().chain(&self.eval))
    }

    /// Loads or generates the cases like [`Cases::open`], for an evaluation without training: only the evaluation split
    /// must have cases, because external test sets have no training cases. Patients and images on two sides of the split
    /// are accepted: what counts is what a model was trained on ([`crate::trained`]).
    ///
    /// # Errors
    /// When a dataset cannot be read, a case id occurs twice, or the evaluation split has no cases.
    pub fn for_evaluation(data: &Data) -> Result<Self, CasesError> {
        let (cases, splits) = Self::read(data)?;
        match cases.eval.is_empty() {
            false => Ok(cases),
            true => Err(CasesError::NoSplit { split: data.eval_split, place: place(data), splits }),
        }
    }

    /// The cases of both sides, and the number of cases of each split.
    fn read(data: &Data) -> Result<(Self, BTreeMap<Split, usize>), CasesError> {
        let (mut cases, pictures, leaks) = match &data.source {
            CaseSource::Dataset(folders) => read(folders)?,
            CaseSource::Synth(asked) => {
                let options = SynthOptions {
                    cases: asked.cases as usize,
                    seed: asked.seed,
                    image_size: asked.image_size,
                    ..SynthOptions::default()
                };
                let cases: Vec<Case> = (0..asked.cases).map(|number| synth::record(number, &options)).collect();
                let numbers = cases.iter().map(|case| case.case_id.clone()).zip(0..).collect();
                (cases, CaseImages::Drawn { options, numbers }, Vec::new())
            }
        };
        let words = data.abstain_option.as_deref();
        let warnings = words.and_then(|words| abstain_option::offer_to_all(&mut cases, words)).into_iter().collect();
        let mut splits = BTreeMap::new();
        cases.iter().for_each(|case| *splits.entry(case.split).or_default() += 1);
        let (mut train, others): (Vec<Case>, Vec<Case>) =
            cases.into_iter().partition(|case| case.split == Split::Train);
        let (mut eval, held_out): (Vec<Case>, Vec<Case>) =
            others.into_iter().partition(|case| case.split == data.eval_split);
        if data.eval_split == Split::Train {
            eval.clone_from(&train);
        }
        train.truncate(data.max_samples.map_or(usize::MAX, |most| most as usize));
        Ok((Self { train, eval, held_out, pictures, warnings, leaks, thumbnails: OnceLock::new() }, splits))
    }

    /// Returns the training cases, then the evaluation cases, then the held-out cases.
    pub fn all(&self) -> impl Iterator<Item = &Case> {
        self.train.iter().chain(&self.eval).chain(&self.held_out)
    }
}

fn place(data: &Data) -> String {
    match &data.source {
        CaseSource::Dataset(_) => data.source.to_string(),
        CaseSource::Synth(_) => "the synthetic cases".to_owned(),
    }
}

/// The cases of all folders, in the order of the folders, and the groups and image files on two sides of the split.
fn read(folders: &[PathBuf]) -> Result<(Vec<Case>, CaseImages, Vec<Problem>), CasesError> {
    let mut datasets: Vec<Dataset> = Vec::new();
    let mut places: HashMap<String, CasePlace> = HashMap::new();
    let mut leaks = Vec::new();
    for folder in folders {
        let (dataset, of_folder) =
            check::load_with_leaks(folder).map_err(|error| CasesError::Dataset(error.to_string()))?;
        leaks = of_folder;
        let again = dataset.cases.iter().find_map(|case| places.get_key_value(&case.case_id));
        if let Some((case_id, first)) = again {
            let (case_id, first) = (case_id.clone(), root_of(&first.file).to_owned());
            return Err(CasesError::Twice { case_id, first, second: dataset.root });
        }
        places.extend(CasePlace::all(&dataset));
        datasets.push(dataset);
    }
    // The cases of a single folder were checked when it was loaded.
    if datasets.len() > 1 {
        let placed: Vec<PlacedCase<'_>> = datasets.iter().flat_map(PlacedCase::all).collect();
        let found = check::between(&placed);
        if found.iter().any(|problem| !problem.is_leak) {
            return Err(CasesError::Between(Problems(found)));
        }
        leaks = found;
    }
    let cases = datasets.into_iter().flat_map(|dataset| dataset.cases).collect();
    Ok((cases, CaseImages::Files { places }, leaks))
}

impl CasePlace {
    /// Places of the cases of a data set, with their ids.
    fn all(dataset: &Dataset) -> impl Iterator<Item = (String, Self)> {
        let file: Arc<Path> = dataset.file.as_path().into();
        let place = move |row| Self { file: Arc::clone(&file), row };
        dataset.cases.iter().zip(1..).map(move |(case, row)| (case.case_id.clone(), place(row)))
    }
}

impl Cases {
    /// Makes the `sha256` of every evaluation image identify its content, so that answers can be stored under it. Image
    /// files are compared with their recorded digests. In synthetic cases `sha256` is replaced, in place, by a name
    /// made of the generator's version, seed, size and case number. A file that cannot be read is not an error here: it
    /// is reported when the image is shown.
    ///
    /// # Errors
    /// When an image file differs from its recorded digest.
    pub fn identify_pictures(&mut self) -> Result<(), CasesError> {
        match &self.pictures {
            CaseImages::Files { places } => {
                let images = self.eval.iter().flat_map(|case| case.images.iter().map(move |image| (case, image)));
                for (case, image) in images {
                    let place = places.get(&case.case_id);
                    let path = place.and_then(|place| image_path(root_of(&place.file), &image.path).ok());
                    let Some(path) = path else { continue };
                    if sha256_file(&path).is_ok_and(|(digest, _)| digest != image.sha256) {
                        let problem = DatasetImageError::Changed(path).to_string();
                        return Err(CasesError::Changed { case_id: case.case_id.clone(), problem });
                    }
                }
            }
            CaseImages::Drawn { options: SynthOptions { seed, image_size, .. }, numbers } => {
                for case in &mut self.eval {
                    let number = numbers.get(&case.case_id);
                    for image in &mut case.images {
                        image.sha256 = format!("{} {seed} {image_size} {number:?}", synth::WORLD_VERSION);
                    }
                }
            }
        }
        Ok(())
    }
}

impl CaseImages {
    /// Creates the source of the images of the cases of a data set. Nothing is read yet.
    #[must_use]
    pub fn of(dataset: &Dataset) -> Self {
        Self::Files { places: CasePlace::all(dataset).collect() }
    }

    /// Returns `cases` with the places where they are written. Cases without a known place are left out, so the result
    /// is empty for synthetic cases.
    #[must_use]
    pub fn placed<'a>(&'a self, cases: impl IntoIterator<Item = &'a Case>) -> Vec<PlacedCase<'a>> {
        let Self::Files { places } = self else { return Vec::new() };
        let placed = |case: &'a Case| {
            let CasePlace { file, row } = places.get(&case.case_id)?;
            Some(PlacedCase { file, row: *row, case })
        };
        cases.into_iter().filter_map(placed).collect()
    }

    /// Returns the place where a case is written; None for synthetic cases and an unknown id.
    #[must_use]
    pub fn place(&self, case_id: &str) -> Option<&CasePlace> {
        match self {
            Self::Files { places } => places.get(case_id),
            Self::Drawn { .. } => None,
        }
    }

    /// Loads image number `index` of `case`, counted from 0.
    ///
    /// # Errors
    /// When the case or the image is unknown, or the file cannot be read.
    pub fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Files { places } => {
                let place = places.get(&case.case_id).ok_or("no folder has this case")?;
                let image = case.images.get(index).ok_or("the case has no such image")?;
                Ok(Arc::new(image_below(root_of(&place.file), image)?))
            }
            Self::Drawn { options, numbers } => {
                let number = numbers.get(&case.case_id).ok_or("no synthetic case has this id")?;
                Ok(Arc::new(synth::case(*number, options).image))
            }
        }
    }
}

impl stepwise_benchmark::runner::Images for CaseImages {
    fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        CaseImages::load(self, case, index)
    }
}
