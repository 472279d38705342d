//! The cases of a run and their images, read from dataset folders or generated synthetically.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use stepwise_data::abstain_option;
use stepwise_data::case::{Case, Split};
use stepwise_data::check;
use stepwise_data::dataset::{DatasetImageError, image_below, image_path};
use stepwise_data::io::digest::sha256_file;
use stepwise_data::synth::{self, SynthOptions};
use stepwise_recipe::{CaseSource, Data};

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
    /// An image file differs from the image that was recorded with the case.
    #[error("case {case_id}: {problem}; `stepwise check` lists all such files")]
    Changed {
        /// Id of the case.
        case_id: String,
        /// The file, what is wrong, and what to do.
        problem: String,
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

/// The cases of a run.
#[derive(Debug)]
pub struct Cases {
    /// Training cases, at most `max_samples` of the recipe.
    pub train: Vec<Case>,
    /// Evaluation cases: all cases of the recipe's `eval_split`.
    pub eval: Vec<Case>,
    /// Source of their images.
    pub pictures: CaseImages,
}

/// Source of case images.
#[derive(Clone, Debug)]
pub enum CaseImages {
    /// Image files of dataset folders.
    Files {
        /// Dataset folder of each case, by case id.
        folders: HashMap<String, Arc<Path>>,
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
    /// When a dataset cannot be read, a case id occurs twice, or a split has no cases.
    pub fn open(data: &Data) -> Result<Self, CasesError> {
        let place = match &data.source {
            CaseSource::Dataset(_) => data.source.to_string(),
            CaseSource::Synth(_) => "the synthetic cases".to_owned(),
        };
        let (mut cases, pictures) = match &data.source {
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
                (cases, CaseImages::Drawn { options, numbers })
            }
        };
        if let Some(words) = &data.abstain_option {
            cases.iter_mut().for_each(|case| abstain_option::offer(case, words));
        }
        let side = |split: Split| cases.iter().filter(move |case| case.split == split).cloned();
        let mut train: Vec<Case> = side(Split::Train).collect();
        train.truncate(data.max_samples.map_or(usize::MAX, |most| most as usize));
        let eval: Vec<Case> = side(data.eval_split).collect();
        let empty = |split, help| CasesError::Empty { split, place: place.clone(), help };
        if train.is_empty() {
            return Err(empty("training", "set `split = \"train\"` in some cases; `stepwise check` counts the splits"));
        }
        if eval.is_empty() {
            return Err(empty("evaluation", "set `[data] eval_split` to a split that has cases, or add some cases"));
        }
        Ok(Self { train, eval, pictures })
    }
}

/// The cases of all folders, in the order of the folders.
fn read(folders: &[PathBuf]) -> Result<(Vec<Case>, CaseImages), CasesError> {
    let (mut cases, mut places) = (Vec::new(), HashMap::<String, Arc<Path>>::new());
    for folder in folders {
        let dataset = check::load(folder).map_err(|error| CasesError::Dataset(error.to_string()))?;
        let CaseImages::Files { folders: own } = CaseImages::below(&dataset.root, &dataset.cases) else { continue };
        let again = dataset.cases.iter().find_map(|case| places.get_key_value(&case.case_id));
        if let Some((case_id, first)) = again {
            return Err(CasesError::Twice {
                case_id: case_id.clone(),
                first: first.to_path_buf(),
                second: dataset.root,
            });
        }
        places.extend(own);
        cases.extend(dataset.cases);
    }
    Ok((cases, CaseImages::Files { folders: places }))
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
            CaseImages::Files { folders } => {
                let images = self.eval.iter().flat_map(|case| case.images.iter().map(move |image| (case, image)));
                for (case, image) in images {
                    let path = folders.get(&case.case_id).and_then(|root| image_path(root, &image.path).ok());
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
    /// Creates the source of the images of `cases`, which all lie in the dataset folder `root`. Nothing is read yet.
    #[must_use]
    pub fn below(root: &Path, cases: &[Case]) -> Self {
        let root: Arc<Path> = root.into();
        Self::Files { folders: cases.iter().map(|case| (case.case_id.clone(), Arc::clone(&root))).collect() }
    }

    /// Loads image number `index` of `case`, counted from 0.
    ///
    /// # Errors
    /// When the case or the image is unknown, or the file cannot be read.
    pub fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Files { folders } => {
                let root = folders.get(&case.case_id).ok_or("no folder has this case")?;
                let image = case.images.get(index).ok_or("the case has no such image")?;
                Ok(Arc::new(image_below(root, image)?))
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
