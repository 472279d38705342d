//! The cases of a run and their pictures: read from a folder, or drawn on the spot.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use stepwise_data::abstain_option;
use stepwise_data::case::{Case, Split};
use stepwise_data::check;
use stepwise_data::dataset::{DatasetPictureError, picture_below, picture_path};
use stepwise_data::io::digest::sha256_file;
use stepwise_data::synth::{self, SynthOptions};
use stepwise_recipe::{CaseSource, Data};

/// Why the cases of a run cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The data set cannot be read, or its cases do not make sense.
    #[error("{0}")]
    Dataset(String),
    /// Two data sets have a case of one name.
    #[error("{}: the case `{case_id}` is in {} too -> give the cases of one of them other ids", second.display(), first.display())]
    Twice {
        /// The case.
        case_id: String,
        /// Where it is first.
        first: PathBuf,
        /// Where it is again.
        second: PathBuf,
    },
    /// A picture is not the one that a case was recorded with.
    #[error("case {case_id}: {problem}; `stepwise check` finds all such files")]
    Changed {
        /// The case.
        case_id: String,
        /// Which picture, and what to do.
        problem: String,
    },
    /// A side of the split is empty.
    #[error("no {split} cases in {place} -> {help}")]
    Empty {
        /// The side.
        split: &'static str,
        /// Where they were looked for.
        place: String,
        /// What to do.
        help: &'static str,
    },
}

/// The cases of a run.
#[derive(Debug)]
pub struct Cases {
    /// Learned from.
    pub train: Vec<Case>,
    /// Tested on.
    pub eval: Vec<Case>,
    /// Where their pictures come from.
    pub pictures: Pictures,
}

/// Where pictures come from.
#[derive(Clone, Debug)]
pub enum Pictures {
    /// Files below folders.
    Files {
        /// The folder of each case by its id.
        folders: HashMap<String, Arc<Path>>,
    },
    /// Drawn when asked for; the number of each case by its id.
    Drawn {
        /// What is drawn.
        options: SynthOptions,
        /// The number of each case by its id.
        numbers: HashMap<String, u64>,
    },
}

impl Cases {
    /// Loads or draws what `[data]` asks for.
    ///
    /// # Errors
    /// When the data set cannot be read or lacks a side of the split.
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
                (cases, Pictures::Drawn { options, numbers })
            }
        };
        if let Some(words) = &data.refusal {
            cases.iter_mut().for_each(|case| abstain_option::offer(case, words));
        }
        let side = |split: Split| cases.iter().filter(move |case| case.split == split).cloned();
        let mut train: Vec<Case> = side(Split::Train).collect();
        train.truncate(data.max_samples.map_or(usize::MAX, |most| most as usize));
        let eval: Vec<Case> = side(data.eval_split).collect();
        let empty = |split, help| CasesError::Empty { split, place: place.clone(), help };
        if train.is_empty() {
            return Err(empty("training", "the `split` of each case says its side; `stepwise check` counts them"));
        }
        if eval.is_empty() {
            return Err(empty("evaluation", "set `[data] eval_split` to a side that has cases, or add some"));
        }
        Ok(Self { train, eval, pictures })
    }
}

/// The cases of some folders, one after the other.
fn read(folders: &[PathBuf]) -> Result<(Vec<Case>, Pictures), CasesError> {
    let (mut cases, mut places) = (Vec::new(), HashMap::<String, Arc<Path>>::new());
    for folder in folders {
        let dataset = check::load(folder).map_err(|error| CasesError::Dataset(error.to_string()))?;
        let Pictures::Files { folders: own } = Pictures::below(&dataset.root, &dataset.cases) else { continue };
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
    Ok((cases, Pictures::Files { folders: places }))
}

impl Cases {
    /// Makes sure that the pictures of the cases tested on are known by what they hold, so that answers can be remembered by it:
    /// those of files must have their recorded digests, drawn ones are named by what they are drawn from. A file that cannot be
    /// read has its error where it is shown.
    ///
    /// # Errors
    /// When a file is not the one that was recorded.
    pub fn identify_pictures(&mut self) -> Result<(), CasesError> {
        match &self.pictures {
            Pictures::Files { folders } => {
                let images = self.eval.iter().flat_map(|case| case.images.iter().map(move |image| (case, image)));
                for (case, image) in images {
                    let path = folders.get(&case.case_id).and_then(|root| picture_path(root, &image.path).ok());
                    let Some(path) = path else { continue };
                    if sha256_file(&path).is_ok_and(|(digest, _)| digest != image.sha256) {
                        let problem = DatasetPictureError::Changed(path).to_string();
                        return Err(CasesError::Changed { case_id: case.case_id.clone(), problem });
                    }
                }
            }
            Pictures::Drawn { options: SynthOptions { seed, image_size, .. }, numbers } => {
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

impl Pictures {
    /// Those of `cases`, below one folder.
    #[must_use]
    pub fn below(root: &Path, cases: &[Case]) -> Self {
        let root: Arc<Path> = root.into();
        Self::Files { folders: cases.iter().map(|case| (case.case_id.clone(), Arc::clone(&root))).collect() }
    }

    /// Picture number `index` of `case`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        match self {
            Self::Files { folders } => {
                let root = folders.get(&case.case_id).ok_or("no folder has this case")?;
                let image = case.images.get(index).ok_or("the case has no such image")?;
                Ok(Arc::new(picture_below(root, image)?))
            }
            Self::Drawn { options, numbers } => {
                let number = numbers.get(&case.case_id).ok_or("no synthetic case has this id")?;
                Ok(Arc::new(synth::case(*number, options).image))
            }
        }
    }
}

impl stepwise_benchmark::runner::Images for Pictures {
    fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        Pictures::load(self, case, index)
    }
}
