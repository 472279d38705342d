//! The cases of a run, indexed by modality, category and question. Swapped images, and questions and answers of other
//! cases, come from this pool.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use stepwise_data::case::{Case, Item};

use super::presence::Presence;
use crate::score::fold;

/// Category to `(case, item)` indices.
type ByCategory<'a> = HashMap<&'a str, Vec<(usize, usize)>>;

/// Modality and normalised question to `(case, item)` indices.
type ByQuestion = HashMap<(String, String), Vec<(usize, usize)>>;

/// All cases of a run, indexed by id, modality, category and question. Swapped images, and questions and answers of other
/// cases, come from them.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    cases: &'a [Case],
    /// Case id to the index of the case.
    numbers: HashMap<&'a str, usize>,
    /// Modality, then category, to `(case, item)` indices, ordered by case id, so that draws do not depend on the order
    /// of the file.
    alike: HashMap<&'a str, ByCategory<'a>>,
    /// Modality to indices of cases, ordered by case id.
    modalities: HashMap<&'a str, Vec<usize>>,
    /// Case id to the index of the partner case of another modality.
    far: HashMap<&'a str, usize>,
    /// Indices of all cases, ordered by case id.
    order: Vec<usize>,
    /// Made at the first use, because few conditions need it; indices are ordered by case id.
    questions: OnceLock<ByQuestion>,
    /// Made at the first use, because few conditions need it.
    presence: OnceLock<Presence>,
}

impl<'a> Pool<'a> {
    /// Builds the indices over `cases`, whose ids must be unique; this is not checked.
    #[must_use]
    pub fn new(cases: &'a [Case]) -> Self {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        order.sort_by_key(|&index| &cases[index].case_id);
        let mut alike: HashMap<&str, ByCategory<'_>> = HashMap::new();
        let mut modalities: HashMap<&str, Vec<usize>> = HashMap::new();
        for &index in &order {
            let case = &cases[index];
            modalities.entry(&case.modality).or_default().push(index);
            for (place, item) in case.chain.iter().enumerate() {
                alike.entry(&case.modality).or_default().entry(&item.category).or_default().push((index, place));
            }
        }
        let far = far(cases);
        let numbers = cases.iter().enumerate().map(|(number, case)| (case.case_id.as_str(), number)).collect();
        let (questions, presence) = (OnceLock::new(), OnceLock::new());
        Self { cases, numbers, alike, modalities, far, order, questions, presence }
    }

    /// Returns the index, from 0, of the case with this id; None when there is no such case.
    #[must_use]
    pub fn number(&self, case_id: &str) -> Option<usize> {
        self.numbers.get(case_id).copied()
    }

    /// Returns all cases in the given order.
    #[must_use]
    pub fn cases(&self) -> &'a [Case] {
        self.cases
    }

    /// Iterates over all items with the modality of `case` and the category of `item`, each with its case, including
    /// `item` itself where it is in the pool, ordered by case id.
    pub fn alike(&self, case: &Case, item: &Item) -> impl Iterator<Item = (&'a Case, &'a Item)> {
        let categories = self.alike.get(case.modality.as_str());
        let places = categories.and_then(|categories| categories.get(item.category.as_str()));
        places.into_iter().flatten().map(|&(case, place)| (&self.cases[case], &self.cases[case].chain[place]))
    }

    /// Returns `(case, item)` indices of all items with the modality of `case` and the question of `item`, compared by
    /// [`fold`], including `item` itself where it is in the pool, ordered by case id. Empty where the pool holds no such
    /// item.
    #[must_use]
    pub fn same_question(&self, case: &Case, item: &Item) -> &[(usize, usize)] {
        let questions = self.questions.get_or_init(|| {
            let mut questions = ByQuestion::new();
            for &number in &self.order {
                let case = &self.cases[number];
                for (place, item) in case.chain.iter().enumerate() {
                    let key = (case.modality.clone(), fold(&item.question));
                    questions.entry(key).or_default().push((number, place));
                }
            }
            questions
        });
        questions.get(&(case.modality.clone(), fold(&item.question))).map_or(&[], Vec::as_slice)
    }

    /// Returns what the cases record about the presence of organs, findings and devices.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        self.presence.get_or_init(|| Presence::new(self.cases, &self.order))
    }

    /// Returns the indices of all cases of a modality, ordered by case id; empty for an unknown modality.
    #[must_use]
    pub fn of_modality(&self, modality: &str) -> &[usize] {
        self.modalities.get(modality).map_or(&[], Vec::as_slice)
    }

    /// Returns the index of the fixed partner of `case`: a case of another modality with the same number of images.
    /// Among the cases with the same number of images, no case is the partner of two others, unless more than half of
    /// them have the same modality. None when all of them have the same modality, and for a case outside the pool.
    #[must_use]
    pub fn far(&self, case: &Case) -> Option<usize> {
        self.far.get(case.case_id.as_str()).copied()
    }
}

/// Assigns the partners: a derangement among the cases with the same number of images. The cases are grouped by
/// modality, largest modality first, and shifted by the size of the largest modality, so that no partner has the
/// modality of its case. When the largest modality has more than half of the cases, the other cases serve several of
/// its members in turn.
fn far(cases: &[Case]) -> HashMap<&str, usize> {
    let mut by_pictures: BTreeMap<usize, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        by_pictures.entry(case.images.len()).or_default().entry(&case.modality).or_default().push(index);
    }
    let mut far = HashMap::new();
    for mut modalities in by_pictures.into_values() {
        modalities.values_mut().for_each(|members| members.sort_by_key(|&index| &cases[index].case_id));
        // The largest modality comes first, so that all cases after it are of other modalities.
        let mut blocks: Vec<Vec<usize>> = modalities.into_values().collect();
        blocks.sort_by_key(|block| std::cmp::Reverse(block.len()));
        let largest = blocks.first().map_or(0, Vec::len);
        let all = blocks.concat();
        let others = all.len() - largest;
        for (rank, &case) in all.iter().enumerate() {
            let partner = match rank {
                _ if others == 0 => continue,
                _ if others >= largest => all[(rank + largest) % all.len()],
                rank if rank < largest => all[largest + rank % others],
                rank => all[rank - largest],
            };
            far.insert(cases[case].case_id.as_str(), partner);
        }
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn far_partners_are_of_another_modality_and_each_serves_once_where_that_can_be(
            modalities in prop::collection::vec(0usize..4, 1..30)
        ) {
            let cases: Vec<Case> = modalities.iter().enumerate().map(|(index, modality)| {
                serde_json::from_value(json!({
                    "schema": "case/1", "case_id": format!("{index:02}"), "group_id": "g", "split": "test",
                    "source": {"dataset": "d", "licence": "l"}, "modality": format!("m{modality}"),
                    "images": [{"id": "i", "path": "i.png", "sha256": "", "width": 8, "height": 8}], "chain": []
                })).expect("valid")
            }).collect();
            let pool = Pool::new(&cases);
            let partners: Vec<usize> = cases.iter().filter_map(|case| {
                let partner = pool.far(case)?;
                assert_ne!(cases[partner].modality, case.modality);
                Some(partner)
            }).collect();
            let largest = (0..4).map(|m| modalities.iter().filter(|other| **other == m).count()).max().unwrap_or(0);
            prop_assert_eq!(partners.len(), if largest == cases.len() { 0 } else { cases.len() });
            if 2 * largest <= cases.len() {
                prop_assert_eq!(partners.iter().collect::<BTreeSet<_>>().len(), cases.len());
            }
        }
    }
}
