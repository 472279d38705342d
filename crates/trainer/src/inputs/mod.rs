//! Digests of everything that a recipe names: model, adapter, cases with their images and masks, and suite. A run records
//! them when it begins, and a resumed run must have the same.
//!
//! Digests are of the contents, never of sizes or times: a file that is changed in place may keep both, and a restored copy
//! may keep neither.

mod change;
mod files;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwise_benchmark::suite::{Condition, Suite};
use stepwise_data::case::{Case, Shape};
use stepwise_data::dataset::{image_path, root_of};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::io::digest::hex;
use stepwise_data::io::encoding::without_mark;
use stepwise_data::synth::WORLD_VERSION;
use stepwise_recipe::{Recipe, SuiteChoice};

pub use change::{InputChange, listed};

use crate::cases::{CaseImages, Cases};
use crate::progress::Progress;
use files::{digests, read_files};

/// Name of the file with the digests in the folder of a run.
pub const INPUTS_FILE: &str = "inputs.json";

const SCHEMA: &str = "inputs/1";

/// Digests of the inputs of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    schema: String,
    /// For each key of the recipe the contents that it names, each with a SHA-256 (lower-case hexadecimal) or a short
    /// description.
    digests: BTreeMap<String, BTreeMap<String, String>>,
}

impl Inputs {
    /// Reads all files that `recipe` names and computes their digests: files of the model and the adapter, `cases` with
    /// their images and masks, and `suite`. What cannot be read is recorded as such, or not at all: the run reports it
    /// in its own words when it needs the file.
    #[must_use]
    pub fn of(recipe: &Recipe, cases: &Cases, suite: Option<&Suite>, progress: &mut dyn Progress) -> Self {
        let mut files: Vec<(&str, PathBuf)> = Vec::new();
        let folders = [
            ("model_name_or_path", Some(&recipe.model_name_or_path)),
            ("adapter_name_or_path", recipe.adapter_name_or_path.as_ref()),
        ];
        for (key, folder) in folders.into_iter().filter_map(|(key, folder)| Some((key, folder?))) {
            files.extend(read_files(folder).into_iter().map(|path| (key, path)));
        }
        files.extend(shown_files(cases).into_iter().map(|path| (DATA, path)));
        let paths: Vec<&Path> = files.iter().map(|(_, path)| path.as_path()).collect();
        let found = digests(&paths, progress);
        let mut digests: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for ((key, path), digest) in files.iter().zip(found) {
            digests.entry((*key).to_owned()).or_default().insert(path.display().to_string(), digest);
        }
        digests.entry(DATA.to_owned()).or_default().extend(texts(cases));
        if let Some(suite) = suite {
            digests.insert("benchmark.suite".to_owned(), conditions(&recipe.benchmark.suite, suite));
        }
        Self { schema: SCHEMA.to_owned(), digests }
    }

    /// Reads the inputs that the run in the folder `run` recorded. None where it recorded none.
    ///
    /// # Errors
    /// When the file cannot be read or is not one of this version.
    pub fn read(run: &Path) -> io::Result<Option<Self>> {
        let json = match bounded::bytes(&run.join(INPUTS_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            json => json?,
        };
        let inputs: Self = serde_json::from_slice(without_mark(&json))?;
        match inputs.schema == SCHEMA {
            true => Ok(Some(inputs)),
            false => Err(io::Error::other(format!("has the schema `{}`, not `{SCHEMA}`", inputs.schema))),
        }
    }

    /// Writes the inputs into the folder `run`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, run: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        write_atomic(&run.join(INPUTS_FILE), &json)
    }

    /// Returns one SHA-256 for each key of the recipe, over everything that the key names.
    #[must_use]
    pub fn by_key(&self) -> BTreeMap<String, String> {
        let whole = |found: &BTreeMap<String, String>| {
            hex(&Sha256::digest(found.iter().map(|(what, digest)| format!("{what}\n{digest}\n")).collect::<String>()))
        };
        self.digests.iter().map(|(key, found)| (key.clone(), whole(found))).collect()
    }

    /// Returns the differences between these inputs, recorded earlier, and the inputs `now`.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<InputChange> {
        change::between(&self.digests, &now.digests)
    }
}

/// Name of the cases among the keys, whether `dataset` or `synth` names them.
const DATA: &str = "data";

/// Paths of the image and mask files of the cases, each once. A path outside the folder of its data set is left out,
/// because it is never read.
fn shown_files(cases: &Cases) -> Vec<PathBuf> {
    let CaseImages::Files { places } = &cases.pictures else { return Vec::new() };
    let mut paths: Vec<PathBuf> = Vec::new();
    for case in cases.train.iter().chain(&cases.eval) {
        let Some(place) = places.get(&case.case_id) else { continue };
        let root = root_of(&place.file);
        let masks = case.regions.iter().filter_map(|region| match &region.shape {
            Shape::Mask { path, .. } => Some(path),
            Shape::Box { .. } | Shape::Polygon { .. } => None,
        });
        let named = case.images.iter().map(|image| &image.path).chain(masks);
        // A missing file keeps its place, so that a file that is removed later counts as a change.
        paths.extend(named.map(|path| image_path(root, path).unwrap_or_else(|_| root.join(path))));
    }
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Digests of the records of the cases, and their number and order.
fn texts(cases: &Cases) -> BTreeMap<String, String> {
    let place = |case: &Case| match &cases.pictures {
        CaseImages::Files { places } => places.get(&case.case_id).map(|place| place.file.display().to_string()),
        CaseImages::Drawn { .. } => None,
    };
    let mut found = BTreeMap::new();
    let mut order = Sha256::new();
    for case in cases.train.iter().chain(&cases.eval) {
        order.update(format!("{}\n", case.case_id));
        let place = place(case).unwrap_or_else(|| format!("synthetic cases {WORLD_VERSION}"));
        // A case that was read can be written.
        let record = serde_json::to_vec(case).unwrap_or_default();
        found.insert(format!("{place}, case {}", case.case_id), hex(&Sha256::digest(record)));
    }
    let order = hex(&order.finalize());
    let count = format!(
        "{} for training, {} for evaluation, in the order {}",
        cases.train.len(),
        cases.eval.len(),
        &order[..12]
    );
    found.insert("cases".to_owned(), count);
    found
}

/// Digests of a suite and of each of its conditions.
fn conditions(choice: &SuiteChoice, suite: &Suite) -> BTreeMap<String, String> {
    let name = match choice {
        SuiteChoice::File(path) => path.display().to_string(),
        _ => suite.name.clone(),
    };
    let digest = |Condition { kind, control, max_items, subset, perturbation, .. }: &Condition| {
        hex(&Sha256::digest(format!("{kind} {control:?} {max_items:?} {subset:?} {perturbation:?}")))
    };
    let each =
        suite.conditions.iter().map(|condition| (format!("{name}, condition {}", condition.id), digest(condition)));
    std::iter::once((name.clone(), suite.digest())).chain(each).collect()
}
