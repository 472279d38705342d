//! Lists of Pascal VOC in `ImageSets/Main`: the images of the sides of the split.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use stepwise_data::case::Split;
use stepwise_data::io::bounded;
use stepwise_data::problem::{Problem, Problems};

use super::super::record::Place;

/// Folder of the lists.
pub(super) const FOLDER: &str = "ImageSets/Main";

/// Lists of the sides. The later list decides: `trainval` holds the images of both lists after it.
const LISTS: [(&str, Split); 4] =
    [("trainval", Split::Train), ("train", Split::Train), ("val", Split::Validation), ("test", Split::Test)];

/// Side and line of each listed image, by its name without extension.
pub(super) type Lists = BTreeMap<String, (Split, Place)>;

/// Reads the lists of the folder `source`. `stems` are the names of images and annotations without extension. None
/// without lists.
///
/// # Errors
/// When a list cannot be read.
pub(super) fn read(source: &Path, stems: &BTreeSet<String>) -> Result<Option<Lists>, Problems> {
    let mut sides = Lists::new();
    let mut is_there = false;
    for (name, split) in LISTS {
        let path = source.join(FOLDER).join(format!("{name}.txt"));
        if !path.is_file() {
            continue;
        }
        is_there = true;
        let advice = "write one image name without extension on each line";
        let text =
            bounded::text(&path).map_err(|error| Problem::new(&path, format!("cannot be read: {error}"), advice))?;
        let file: Arc<Path> = Arc::from(path);
        for (line, row) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let place = Place { file: Arc::clone(&file), row };
            sides.insert(listed(line.trim(), stems).to_owned(), (split, place));
        }
    }
    Ok(is_there.then_some(sides))
}

/// Returns the name in a line. A name may have blanks, and lists of one class have a number from -1 to 1 after the name, so
/// that the names of the files decide.
fn listed<'a>(line: &'a str, stems: &BTreeSet<String>) -> &'a str {
    let before = line.rsplit_once(char::is_whitespace).filter(|(_, last)| ["-1", "0", "1"].contains(last));
    let before = before.map(|(name, _)| name.trim_end());
    match before {
        Some(name) if !stems.contains(line) && (stems.contains(name) || !name.contains(char::is_whitespace)) => name,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_blanks_and_numbers_after_them() {
        let stems = BTreeSet::from(["cell 0".to_owned(), "cell".to_owned(), "a b".to_owned()]);
        for (line, expected) in [
            ("cell 0", "cell 0"),
            ("cell 0  1", "cell 0"),
            ("cell -1", "cell"),
            ("a b", "a b"),
            ("x 1", "x"),
            ("x y", "x y"),
        ] {
            assert_eq!(listed(line, &stems), expected);
        }
    }
}
