//! Sheet of a segmentation data set, `dataset.json`: classes, volumes, modality, licence and version. The Medical
//! Segmentation Decathlon lists its volumes. nnU-Net lists them without the number of the channel that their files have,
//! or, from version 2 on, lists none: a label volume `CASE` then belongs to the images `CASE_0000`, `CASE_0001` and so on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};
use stepwise_data::io::bounded;
use stepwise_data::io::contained::is_inside;
use stepwise_data::problem::{Problem, Problems};

use super::super::record::scalar;
use super::annotated::words;

/// Folders of images and label volumes, and of images without labels.
const IMAGES: &str = "imagesTr";
const LABELS: &str = "labelsTr";
const TESTS: &str = "imagesTs";

/// File name endings of NIfTI volumes.
const ENDINGS: [&str; 2] = [".nii.gz", ".nii"];

/// Names of MRI sequences in sheets of the Medical Segmentation Decathlon and of nnU-Net, in lower case.
const MRI: [&str; 14] =
    ["mri", "mr", "t1", "t1w", "t1gd", "t1ce", "t1c", "t1n", "t2", "t2w", "t2f", "flair", "adc", "dwi"];

/// Names of channels that say how nnU-Net scales values and not what they are.
const SCALINGS: [&str; 4] = ["nonorm", "zscore", "rescale_to_0_1", "rescale_0_1"];

/// Contents of `dataset.json`.
pub(super) struct Sheet {
    /// Names of the classes, in the order of their values.
    pub(super) names: Vec<String>,
    /// Index in `names` of each value of the label volumes, without the background.
    pub(super) by_value: BTreeMap<u16, usize>,
    /// Volumes with labels.
    pub(super) training: Vec<Pair>,
    /// Images without labels, as paths relative to the folder.
    pub(super) unlabelled: Vec<String>,
    /// Label volumes without an image, as paths relative to the folder.
    pub(super) lonely: Vec<String>,
    /// Modality of the chosen channel; None when not recorded.
    pub(super) modality: Option<String>,
    /// Licence; None when not recorded.
    pub(super) licence: Option<String>,
    /// Version; None when not recorded.
    pub(super) revision: Option<String>,
}

/// A volume with its labels, as paths relative to the folder.
pub(super) struct Pair {
    /// Path of the image.
    pub(super) image: String,
    /// Path of the label volume.
    pub(super) label: String,
}

impl Sheet {
    /// Reads the sheet `file` of the data set in the folder `root`. `channel` chooses one of several images or volumes of a
    /// case, counted from 1.
    ///
    /// # Errors
    /// When the file cannot be read or is no sheet, or lists no volumes and no label volumes are there.
    pub(super) fn read(root: &Path, file: &Path, channel: usize) -> Result<Self, Problems> {
        let advice = "correct the file, or copy it again from the data set";
        let wrong = |field: &str, what: String| Problems::from(Problem::new(file, what, advice).in_field(field));
        let text = bounded::text(file).map_err(|error| wrong("", format!("cannot be read: {error}")))?;
        let sheet: Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| wrong("", format!("is no JSON object: {error}")))?;
        let labels = sheet.get("labels").and_then(Value::as_object);
        let labels = labels.ok_or_else(|| wrong("labels", "is no object".into()))?;
        let by_number = classes(labels).map_err(|what| wrong("labels", what))?;
        let listed = match sheet.get("training") {
            None => None,
            Some(Value::Array(list)) => {
                let path = |pair: &Value, name: &str| pair.get(name).and_then(scalar);
                let pair = |pair: &Value| Some(Pair { image: path(pair, "image")?, label: path(pair, "label")? });
                let pairs: Option<Vec<Pair>> = list.iter().map(pair).collect();
                Some(pairs.ok_or_else(|| wrong("training", "an entry has no image or no label".into()))?)
            }
            Some(_) => return Err(wrong("training", "is no list".into())),
        };
        let labels = files(root, LABELS);
        let images = files(root, IMAGES);
        let ending = sheet.get("file_ending").and_then(scalar);
        if let Some(ending) = ending.filter(|ending| !ENDINGS.contains(&ending.as_str())) {
            let what = format!("is {ending:?}, and only NIfTI volumes are read");
            let advice = "convert the images, or import images and label maps with the format labelmap";
            return Err(Problem::new(file, what, advice).in_field("file_ending").into());
        }
        // Whether images and label volumes are paired by their names.
        let is_paired = listed.is_none();
        let mut training = match listed {
            Some(listed) => listed,
            None if labels.is_empty() => {
                let what = format!("is missing, and {LABELS}/ has no NIfTI volumes");
                return Err(wrong("training", what));
            }
            None => labels.iter().map(|label| Pair { image: image_of(label), label: label.clone() }).collect(),
        };
        let mut labelled = BTreeSet::new();
        for pair in &mut training {
            labelled.extend([&pair.image, &image_of(&pair.label)].map(|path| stem(plain(path)).0.to_owned()));
            pair.image = channel_of(root, &pair.image, channel);
        }
        let is_labelled = |image: &String| labelled.contains(stem(image).0) || labelled.contains(case(image));
        let unlabelled = images.iter().filter(|image| !is_labelled(image)).cloned().chain(tests(root, &sheet));
        let unlabelled = without_channels(unlabelled.collect());
        let used: BTreeSet<&str> = training.iter().map(|pair| plain(&pair.label)).collect();
        let mut lonely: Vec<String> = labels.iter().filter(|label| !used.contains(label.as_str())).cloned().collect();
        if is_paired {
            let (kept, without): (Vec<Pair>, Vec<Pair>) =
                training.into_iter().partition(|pair| images.contains(&pair.image));
            training = kept;
            lonely.extend(without.into_iter().map(|pair| pair.label));
        }
        let text = |keys: &[&str]| {
            let found = keys.iter().find_map(|key| scalar(sheet.get(*key)?)).map(|text| text.trim().to_owned());
            found.filter(|text| !text.is_empty())
        };
        Ok(Self {
            by_value: by_number.keys().zip(0..).map(|(value, place)| (*value, place)).collect(),
            names: by_number.into_values().collect(),
            training,
            unlabelled,
            lonely,
            modality: modality(&sheet, channel),
            licence: text(&["licence", "license"]),
            revision: text(&["release"]),
        })
    }
}

/// Reads the names of the values without the background. Older sheets map numbers to names, newer ones names to numbers.
fn classes(labels: &Map<String, Value>) -> Result<BTreeMap<u16, String>, String> {
    let mut by_number = BTreeMap::new();
    for (key, value) in labels {
        let (number, name) = match (key.parse::<u16>(), value) {
            (Ok(number), Value::String(name)) => (number, name.clone()),
            (_, Value::Array(_)) => {
                return Err(format!("{key:?} is a region of several values; give each value a name of its own"));
            }
            (Err(_), _) if key == "ignore" => {
                return Err(format!("{key:?} marks voxels of unknown class, which are not read"));
            }
            (_, value) => {
                let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
                (number.ok_or_else(|| format!("{key:?} has no number"))?, key.clone())
            }
        };
        if number > 0 {
            by_number.insert(number, words(&name));
        }
    }
    Ok(by_number)
}

/// Returns the modality of a channel; None when the sheet does not name it.
fn modality(sheet: &Map<String, Value>, channel: usize) -> Option<String> {
    let named = sheet.get("modality").or_else(|| sheet.get("channel_names"))?.as_object()?;
    // Keys are numbers; a sheet with one channel may have any key.
    let name = named.get(&(channel - 1).to_string()).or_else(|| named.values().next().filter(|_| named.len() == 1));
    let name = name.and_then(scalar)?.trim().to_lowercase();
    match name.as_str() {
        "" => None,
        name if SCALINGS.contains(&name) => None,
        name if MRI.contains(&name) => Some("mri".to_owned()),
        name => Some(name.to_owned()),
    }
}

/// Returns the NIfTI files of a folder of the data set, as sorted paths relative to `root`.
fn files(root: &Path, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // Copies of macOS hold `._NAME` files beside the volumes.
    let is_volume = |name: &String| !name.starts_with('.') && ENDINGS.iter().any(|ending| name.ends_with(*ending));
    let mut paths: Vec<String> = names.filter(is_volume).map(|name| format!("{folder}/{name}")).collect();
    paths.sort();
    paths
}

/// Returns the images without labels: those that the sheet lists, and those in their folder.
fn tests(root: &Path, sheet: &Map<String, Value>) -> Vec<String> {
    let listed = sheet.get("test").and_then(Value::as_array).into_iter().flatten();
    // Some sheets list objects with the path of the image.
    let path = |entry: &Value| scalar(entry).or_else(|| entry.get("image").and_then(scalar));
    let listed = listed.map(|entry| plain(&path(entry).unwrap_or_default()).to_owned());
    listed.chain(files(root, TESTS)).collect()
}

/// Returns the images, sorted, of which the channels of a case are one image: the first channel.
fn without_channels(images: BTreeSet<String>) -> Vec<String> {
    let is_channel = |image: &String| {
        let (stem, ending) = stem(image);
        let first = |case: &str| images.contains(&format!("{case}_0000{ending}"));
        first(stem) || (first(case(image)) && !stem.ends_with("_0000"))
    };
    images.iter().filter(|image| !is_channel(image)).cloned().collect()
}

/// Returns a path without the mark of the same folder.
fn plain(path: &str) -> &str {
    path.trim().trim_start_matches("./")
}

/// Returns path and ending of a volume.
fn stem(path: &str) -> (&str, &str) {
    let ending = ENDINGS.into_iter().find(|ending| path.ends_with(*ending)).unwrap_or_default();
    (&path[..path.len() - ending.len()], ending)
}

/// Returns the path of an image without ending and number of the channel.
fn case(path: &str) -> &str {
    let (stem, _) = stem(plain(path));
    match stem.rsplit_once('_') {
        Some((case, number)) if number.len() == 4 && number.bytes().all(|digit| digit.is_ascii_digit()) => case,
        _ => stem,
    }
}

/// Returns the path of the image to a label volume, without the number of the channel.
fn image_of(label: &str) -> String {
    label.replacen(LABELS, IMAGES, 1)
}

/// Returns the path of the image of a channel, counted from 1, which files of nnU-Net have at their end, counted from 0; the
/// path itself where no such file is there.
fn channel_of(root: &Path, image: &str, channel: usize) -> String {
    let (_, ending) = stem(image);
    let numbered = format!("{}_{:04}{ending}", case(image), channel - 1);
    let is_there = is_inside(&numbered) && root.join(&numbered).is_file();
    if is_there { numbered } else { image.to_owned() }
}
