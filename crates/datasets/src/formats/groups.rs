//! Groups that rows name. Groups with an image in common are one group, because nothing says which of them the image is of.

use std::collections::{BTreeMap, BTreeSet};

use stepwise_data::split::join;

use super::kept::KeptRow;

/// Most images that the note names.
const NAMED: usize = 3;

/// Groups of rows, which are the first of their links.
pub(super) struct Groups {
    /// Name of the whole group for each group that is a part of one: its first part.
    wholes: BTreeMap<String, String>,
    /// Groups of each image that is in several, by the index of the image.
    shared: BTreeMap<usize, Vec<String>>,
}

impl Groups {
    /// Collects the groups of `rows`, and joins those with an image in common.
    pub(super) fn of(rows: &[KeptRow]) -> Self {
        let mut by_image: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for row in rows {
            let Some(group) = row.links.first() else { continue };
            for image in &row.images {
                by_image.entry(*image).or_default().insert(group);
            }
        }
        by_image.retain(|_, groups| groups.len() > 1);
        let names: Vec<&str> = by_image.values().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let place = |name: &str| names.binary_search(&name).ok();
        let pairs = by_image.values().flat_map(|groups| groups.iter().zip(groups.iter().skip(1)));
        let joined = join(names.len(), pairs.filter_map(|(one, other)| place(one).zip(place(other))));
        let wholes = names.iter().zip(joined).map(|(name, whole)| ((*name).to_owned(), names[whole].to_owned()));
        let wholes = wholes.collect();
        let owned = |groups: BTreeSet<&str>| groups.into_iter().map(str::to_owned).collect();
        Self { wholes, shared: by_image.into_iter().map(|(image, groups)| (image, owned(groups))).collect() }
    }

    /// Returns the name under which rows with the link `link` are compared: the one of the whole group.
    pub(super) fn whole<'a>(&'a self, link: &'a str) -> &'a str {
        self.wholes.get(link).map_or(link, String::as_str)
    }

    /// Returns a note on the images that are in several groups. None where there are none. `name` names an image by its
    /// index.
    pub(super) fn note(&self, name: impl Fn(usize) -> String) -> Option<String> {
        let first: Vec<String> = self
            .shared
            .iter()
            .take(NAMED)
            .map(|(image, groups)| format!("{} in {}", name(*image), groups.join(" and ")))
            .collect();
        let more = if self.shared.len() > first.len() { "; ..." } else { "" };
        (!first.is_empty()).then(|| {
            format!(
                "groups with an image in common are one group; images in several: {} ({}{more})",
                self.shared.len(),
                first.join("; ")
            )
        })
    }
}
