//! The cases of a run, found by modality and category: where swapped pictures and other cases' answers come from.

use std::collections::HashMap;

use stepwise_curriculum::case::{Case, Item};

/// Category to `(case, item)`.
type ByCategory<'a> = HashMap<&'a str, Vec<(usize, usize)>>;

/// All cases of a run with an index over their items.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    cases: &'a [Case],
    /// Modality, then category, to `(case, item)`, ordered by case id: draws do not depend on the order of the file.
    alike: HashMap<&'a str, ByCategory<'a>>,
}

impl<'a> Pool<'a> {
    /// Indexes `cases`.
    #[must_use]
    pub fn new(cases: &'a [Case]) -> Self {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        order.sort_by_key(|&index| &cases[index].case_id);
        let mut alike: HashMap<&str, ByCategory<'_>> = HashMap::new();
        for index in order {
            let case = &cases[index];
            for (place, item) in case.chain.iter().enumerate() {
                alike.entry(&case.modality).or_default().entry(&item.category).or_default().push((index, place));
            }
        }
        Self { cases, alike }
    }

    /// All cases, as given.
    #[must_use]
    pub fn cases(&self) -> &'a [Case] {
        self.cases
    }

    /// Places of all items of the same modality and category, this one among them, ordered by case id.
    #[must_use]
    pub fn places(&self, case: &Case, item: &Item) -> &[(usize, usize)] {
        self.alike
            .get(case.modality.as_str())
            .and_then(|categories| categories.get(item.category.as_str()))
            .map_or(&[], Vec::as_slice)
    }

    /// All items of the same modality and category, this one among them.
    pub fn alike(&self, case: &Case, item: &Item) -> impl Iterator<Item = (&'a Case, &'a Item)> {
        self.places(case, item).iter().map(|&(case, place)| (&self.cases[case], &self.cases[case].chain[place]))
    }
}
