//! List of the images that a model was trained on, in the folder of the model. The list has digests alone, so that the
//! folder can be given away: no names of patients, and nothing that shows an image.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use stepwise_data::io::digest::is_sha256;
use stepwise_data::problem::{Problem, Problems};

use super::{IMAGES_FILE, TRAINED_FILE, recorded_images};
use crate::checkpoint::source::ModelSource;

/// First line of the list.
const HEAD: &str = "# sha256 of the images that this model was trained on";

/// Largest accepted list in bytes, 256 MiB: four million images.
const LARGEST: u64 = 256 << 20;

/// Bytes of a line that are read at once, so that a file without line ends takes no memory. A digest has 64.
const LINE: u64 = 1 << 10;

/// Problem of a text that should be a SHA-256.
const NO_DIGEST: &str = "is not 64 lower-case hexadecimal digits";

/// Advice for a list or a record that cannot be read.
const ADVICE: &str = "restore the file, or remove it: evaluated images are then not compared with it";

/// Images that a model was trained on, by their SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainedImages(BTreeSet<String>);

impl TrainedImages {
    /// Reads the list in the folder `model`. None where the folder has none, and where there is no such folder.
    ///
    /// # Errors
    /// When the file cannot be read or has more than 256 MiB, or when a line is neither a SHA-256 in lower-case
    /// hexadecimal digits nor a comment, which begins with `#`. The error names the line.
    pub fn read(model: &Path) -> Result<Option<Self>, Problems> {
        let path = model.join(IMAGES_FILE);
        let file = match File::open(&path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            file => file.map_err(|error| unread(&path, &error))?,
        };
        Ok(Some(parse(&path, BufReader::new(file), LARGEST)?))
    }

    /// Collects the images that the model at `path` was trained on: those in the list of its folder, those in the record of
    /// its run, and those of its base and of the adapter from which the run started, found in the same way. `path` is a run,
    /// a checkpoint, a PEFT folder or a model folder; `base` overrides its base. None where nothing is known; what is at
    /// `path` need not be a model.
    ///
    /// # Errors
    /// When a list or a record cannot be read.
    pub fn of_model(path: &Path, mut base: Option<&Path>) -> Result<Option<Self>, Problems> {
        let mut all: Option<Self> = None;
        let mut add = |found: Option<Self>| {
            if let Some(Self(images)) = found {
                all.get_or_insert_default().0.extend(images);
            }
        };
        let mut left = vec![path.to_owned()];
        let mut looked_at = HashSet::new();
        while let Some(path) = left.pop() {
            // A manipulated run may be its own base.
            if !looked_at.insert(path.clone()) {
                continue;
            }
            add(Self::read(&path)?);
            let Ok(source) = ModelSource::find(&path, base.take()) else { continue };
            if let Some(run) = source.recipe.as_deref().and_then(Path::parent) {
                add(Self::of_run(run)?);
            }
            left.extend(source.untouched().map(Path::to_owned));
            left.extend(source.starting_adapter().ok().flatten());
        }
        Ok(all)
    }

    /// Reads the images in the record of the run in the folder `run`. None without a record, and after a training on
    /// synthetic cases.
    fn of_run(run: &Path) -> Result<Option<Self>, Problems> {
        let path = run.join(TRAINED_FILE);
        let images = recorded_images(run).map_err(|error| unread(&path, &error))?;
        if !images.iter().all(|digest| is_sha256(digest)) {
            return Err(Problem::new(path, format!("has an image with a `sha256` that {NO_DIGEST}"), ADVICE).into());
        }
        Ok((!images.is_empty()).then_some(Self(images)))
    }

    /// Returns the images that are not among `others`.
    #[must_use]
    pub fn without(self, others: Option<&Self>) -> Self {
        match others {
            Some(others) => Self(&self.0 - &others.0),
            None => self,
        }
    }

    /// Returns the text of the list: a comment, then one digest a line, sorted.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = std::iter::once(HEAD).chain(self.0.iter().map(String::as_str));
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    /// Returns the number of images.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the model was trained on the image with this SHA-256.
    #[must_use]
    pub fn contains(&self, sha256: &str) -> bool {
        self.0.contains(sha256)
    }
}

fn unread(path: &Path, error: &io::Error) -> Problem {
    Problem::new(path, format!("cannot be read: {error}"), ADVICE)
}

/// Reads a list of at most `largest` bytes; `path` is named in errors.
fn parse(path: &Path, mut list: impl BufRead, largest: u64) -> Result<TrainedImages, Problems> {
    let mut images = BTreeSet::new();
    let (mut line, mut row, mut bytes) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let read = list.by_ref().take(LINE).read_until(b'\n', &mut line).map_err(|error| unread(path, &error))?;
        if read == 0 {
            return Ok(TrainedImages(images));
        }
        row += 1;
        bytes += read as u64;
        let problem = |what: String| Problem::new(path, what, ADVICE).at_row(row);
        if bytes > largest {
            return Err(problem(format!("the list is larger than the limit of {largest} bytes")).into());
        }
        if line.starts_with(b"#") {
            continue;
        }
        match std::str::from_utf8(line.trim_ascii_end()) {
            Ok(digest) if is_sha256(digest) => images.insert(digest.to_owned()),
            _ => return Err(problem(NO_DIGEST.to_owned()).into()),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// Digest of 64 equal digits.
    fn digest(digit: char) -> String {
        String::from(digit).repeat(64)
    }

    fn images(digits: &str) -> TrainedImages {
        TrainedImages(digits.chars().map(digest).collect())
    }

    /// Writes a run in `folder`, with one checkpoint, an adapter of `base`, and returns the checkpoint. The run was trained
    /// on two cases with the images `digits`.
    fn run(folder: &Path, base: &Path, digits: &str) -> PathBuf {
        run_of(folder, &format!("model_name_or_path = {base:?}\n"), digits)
    }

    /// Writes a run like [`run`] with a resolved recipe.
    fn run_of(folder: &Path, recipe: &str, digits: &str) -> PathBuf {
        let checkpoint = folder.join("checkpoint-1");
        fs::create_dir_all(&checkpoint).expect("made");
        fs::write(checkpoint.join("adapter_config.json"), "{}").expect("written");
        fs::write(folder.join("recipe.resolved.toml"), recipe).expect("written");
        let shown = digits.chars().map(|digit| format!("{{\"sha256\":\"{}\"}}", digest(digit)));
        let shown = shown.collect::<Vec<_>>().join(",");
        let case = |row: u32| format!("{{\"place\":\"a:{row}\",\"group_id\":\"p{row}\",\"images\":[{shown}]}}\n");
        let record = format!("{{\"schema\":\"trained/1\"}}\n{}{}", case(1), case(2));
        fs::write(folder.join(TRAINED_FILE), record).expect("written");
        checkpoint
    }

    #[test]
    fn a_list_is_sorted_has_each_image_once_and_is_read_again() {
        let text = images("b1b").text();
        assert_eq!(text, format!("{HEAD}\n{}\n{}\n", digest('1'), digest('b')));
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(TrainedImages::read(folder.path()), Ok(None));
        assert_eq!(TrainedImages::read(&folder.path().join("nowhere")), Ok(None));
        fs::write(folder.path().join(IMAGES_FILE), text.replace('\n', "\r\n")).expect("written");
        assert_eq!(TrainedImages::read(folder.path()), Ok(Some(images("1b"))));
        assert_eq!(TrainedImages::read(&folder.path().join(IMAGES_FILE)), Ok(None), "a file holds no list");
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        let good = digest('a');
        let long = "0".repeat(5000);
        for (text, row) in [
            (format!("{good}\n{}\n", &good[1..]), 2),
            (format!("{good}\n{}\n", digest('A')), 2),
            (format!("{good}\n\n{good}\n"), 2),
            (format!("# comment\n{good} a.png\n"), 2),
            (format!("{good}\n{long}"), 2),
            ("\0".repeat(5000), 1),
        ] {
            let error = parse(Path::new("m/list"), text.as_bytes(), LARGEST).expect_err("no list").to_string();
            let place = format!("m/list:{row}: is not 64 lower-case hexadecimal digits -> restore the file");
            assert!(error.starts_with(&place), "{error}");
        }
        assert!(parse(Path::new("m/list"), &b"\xff\xfe\n"[..], LARGEST).is_err());
        let list = format!("{good}\n{good}\n");
        assert_eq!(parse(Path::new("m/list"), list.as_bytes(), 130), Ok(images("a")));
        let error = parse(Path::new("m/list"), list.as_bytes(), 129).expect_err("too large").to_string();
        assert!(error.starts_with("m/list:2: the list is larger than the limit of 129 bytes -> "), "{error}");
    }

    #[test]
    fn images_of_a_run_and_of_all_its_bases_are_joined() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("base")).expect("made");
        let second = run(&path("second"), &run(&path("first"), &path("base"), "12"), "23");
        assert_eq!(TrainedImages::of_model(&second, None), Ok(Some(images("123"))));
        fs::write(path("base").join(IMAGES_FILE), images("9").text()).expect("written");
        assert_eq!(TrainedImages::of_model(&path("second"), None), Ok(Some(images("1239"))));
        assert_eq!(TrainedImages::of_model(&second, Some(&path("base"))), Ok(Some(images("239"))));
        assert_eq!(TrainedImages::of_model(&path("base"), None), Ok(Some(images("9"))));
        assert_eq!(TrainedImages::of_model(&path("nowhere"), None), Ok(None));
        // A run that goes on from the adapter of an earlier run.
        let recipe = format!("model_name_or_path = {:?}\nadapter_name_or_path = {second:?}\n", path("base"));
        let third = run_of(&path("third"), &recipe, "45");
        assert_eq!(TrainedImages::of_model(&third, None), Ok(Some(images("123459"))));
        let earlier = Some(images("13"));
        assert_eq!(images("123").without(earlier.as_ref()), images("2"));
        assert_eq!(images("123").without(None), images("123"));
        // A run that is its own base.
        let own = path("own").join("checkpoint-1");
        run(&path("own"), &own, "4");
        assert_eq!(TrainedImages::of_model(&own, None), Ok(Some(images("4"))));
        // A run on synthetic cases records none.
        run(&path("drawn"), &path("nowhere"), "");
        assert_eq!(TrainedImages::of_model(&path("drawn"), None), Ok(None));
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let checkpoint = run(folder.path(), Path::new("nowhere"), "1");
        let record = folder.path().join(TRAINED_FILE);
        let text = fs::read_to_string(&record).expect("there");
        for damaged in [text.replace('1', "g"), text.replace(&digest('1'), "1"), String::new()] {
            fs::write(&record, damaged).expect("written");
            let error = TrainedImages::of_model(&checkpoint, None).expect_err("damaged").to_string();
            assert!(error.contains(TRAINED_FILE) && error.contains(ADVICE), "{error}");
        }
    }
}
