//! Images of the sides of a YOLO data set: those in a folder, and those in a list.
//!
//! Sheets and lists often name paths of another machine or of a folder above the data set, such as `../train/images` and
//! `/data/set/images/1.png`. Paths are therefore compared at their ends: a folder of the data set ends with the whole relative path
//! of a side, and an absolute path may also end with the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use stepwise_data::case::Split;

use super::super::record::Place;

/// Folders and lists of the sides.
#[derive(Default)]
pub(super) struct Sides {
    folders: Vec<Folder>,
    /// Listed images by their file names.
    listed: BTreeMap<String, Vec<Listed>>,
}

/// A folder of a side.
struct Folder {
    split: Split,
    parts: Vec<String>,
    /// Whether the path begins at a root, so that folders above the data set are part of it.
    is_absolute: bool,
}

/// An image in a list.
struct Listed {
    split: Split,
    parts: Vec<String>,
    /// Line of the list.
    place: Place,
}

/// Returns the parts of a path, without those that lead to the same or an upper folder.
pub(super) fn parts(path: &str) -> Vec<String> {
    let path = path.trim().replace('\\', "/");
    path.split('/').filter(|part| !["", ".", ".."].contains(part)).map(str::to_owned).collect()
}

/// Returns whether two paths are the same up to folders above one of them.
fn fit(one: &[String], other: &[String]) -> bool {
    one.ends_with(other) || other.ends_with(one)
}

impl Sides {
    /// Adds the images of a folder.
    pub(super) fn add_folder(&mut self, split: Split, path: &str) {
        let parts = parts(path);
        let path = path.trim();
        let is_absolute = path.starts_with(['/', '\\']) || path.get(1..2) == Some(":");
        if !parts.is_empty() {
            self.folders.push(Folder { split, parts, is_absolute });
        }
    }

    /// Adds the images of the list `file`, one on each line of `text`.
    pub(super) fn add_list(&mut self, split: Split, file: &Path, text: &str) {
        let file: Arc<Path> = Arc::from(file);
        for (line, row) in text.lines().zip(1..) {
            let parts = parts(line);
            if let Some(name) = parts.last().cloned() {
                let place = Place { file: Arc::clone(&file), row };
                self.listed.entry(name).or_default().push(Listed { split, parts, place });
            }
        }
    }

    /// Returns whether an image must be in a list to be of a side.
    pub(super) fn has_list(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Returns the sides of an image by its path in the data set; empty when no list and no folder has it.
    pub(super) fn of(&self, image: &str) -> BTreeSet<Split> {
        let image = parts(image);
        let Some((name, folder)) = image.split_last() else { return BTreeSet::new() };
        let same_name = self.listed.get(name).into_iter().flatten();
        let listed = same_name.filter(|listed| fit(&listed.parts, &image)).map(|listed| listed.split);
        let holds = |wanted: &&Folder| {
            (1..=folder.len()).any(|length| {
                let above = &folder[..length];
                above.ends_with(&wanted.parts) || (wanted.is_absolute && wanted.parts.ends_with(above))
            })
        };
        listed.chain(self.folders.iter().filter(holds).map(|folder| folder.split)).collect()
    }

    /// Returns the lines of lists whose image is not among `images`, in the order of the lists.
    pub(super) fn missing(&self, images: &[String]) -> Vec<Place> {
        let mut by_name: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        for image in images.iter().map(|image| parts(image)) {
            by_name.entry(image.last().cloned().unwrap_or_default()).or_default().push(image);
        }
        let is_there = |name: &String, listed: &Listed| {
            by_name.get(name).is_some_and(|images| images.iter().any(|image| fit(&listed.parts, image)))
        };
        let all = self.listed.iter().flat_map(|(name, all)| all.iter().map(move |listed| (name, listed)));
        let mut places: Vec<Place> =
            all.filter(|(name, listed)| !is_there(name, listed)).map(|(_, listed)| listed.place.clone()).collect();
        places.sort_by(|one, other| (&one.file, one.row).cmp(&(&other.file, other.row)));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sides: &Sides, image: &str) -> Vec<Split> {
        sides.of(image).into_iter().collect()
    }

    #[test]
    fn folders_are_compared_at_their_ends() {
        let mut sides = Sides::default();
        sides.add_folder(Split::Train, "../train/images");
        sides.add_folder(Split::Validation, "/data/set/images/b");
        assert_eq!(of(&sides, "train/images/1.png"), [Split::Train]);
        assert_eq!(of(&sides, "images/b/deep/1.png"), [Split::Validation]);
        assert!(of(&sides, "images/a/1.png").is_empty());
    }

    #[test]
    fn lists_name_images_and_may_name_more() {
        let mut sides = Sides::default();
        sides.add_list(Split::Train, Path::new("train.txt"), "./images/1.png\r\n\nC:\\set\\images\\2.png\n");
        sides.add_list(Split::Test, Path::new("test.txt"), "images/2.png\nimages/9.png\n");
        assert_eq!(of(&sides, "images/1.png"), [Split::Train]);
        assert_eq!(of(&sides, "images/2.png"), [Split::Train, Split::Test]);
        assert!(of(&sides, "other/1.png").is_empty());
        let missing = sides.missing(&["images/1.png".to_owned(), "images/2.png".to_owned()]);
        assert_eq!(missing.iter().map(Place::short).collect::<Vec<_>>(), ["test.txt:2"]);
    }
}
