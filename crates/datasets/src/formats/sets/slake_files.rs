//! Files of SLAKE beside an image: `source.jpg`, `mask.png` and `detection.json`. Another distribution writes the name of the
//! folder into the names, as in `source_xmlab1.jpg`.

use std::collections::BTreeMap;
use std::path::Path;

use stepwise_data::io::contained::is_inside;

use super::slake_boxes::{Boxes, read};
use super::slake_masks;
use crate::source_image::EXTENSIONS;

/// Returns the path, relative to `root`, of the image that a record names; the only image file of its folder that is no
/// mask where the named file is not there.
pub(super) fn image(root: &Path, named: &str) -> String {
    let path = format!("imgs/{named}");
    let Some((folder, _)) = path.rsplit_once('/').filter(|_| is_inside(&path) && !root.join(&path).exists()) else {
        return path;
    };
    let is_image = |name: &str| {
        let extension = super::super::records::extension(Path::new(name));
        EXTENSIONS.contains(&extension.as_str()) && !name.to_lowercase().starts_with("mask")
    };
    match &names(&root.join(folder), is_image)[..] {
        [only] => format!("{folder}/{only}"),
        _ => path,
    }
}

/// Reads the regions of the image `path`, relative to `root`: boxes, and the pixels of those that have a mask. `labels`
/// names the grey values of masks.
///
/// # Errors
/// What is wrong with a file.
pub(super) fn regions(root: &Path, path: &str, labels: &BTreeMap<u8, String>) -> Result<Boxes, String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let file = |start: &str, end: &str| {
        let fits = |name: &str| {
            let name = name.to_lowercase();
            name.starts_with(start) && name.ends_with(end)
        };
        let name = names(&root.join(folder), fits).into_iter().next()?;
        Some(if folder.is_empty() { name } else { format!("{folder}/{name}") })
    };
    let mut boxes = match file("detection", ".json") {
        Some(name) => read(root, &name)?,
        None => Boxes::default(),
    };
    if let Some(name) = file("mask", ".png") {
        slake_masks::add(root, (path, &name), labels, &mut boxes)?;
    }
    Ok(boxes)
}

/// Returns the names of the files in a folder that fit, sorted.
fn names(folder: &Path, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| fits(name));
    names.sort();
    names
}
