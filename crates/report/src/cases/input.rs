//! Input of the page of a data set.

use stepwise_data::case::Case;
use stepwise_data::check::{CheckSummary, Findings, NearImage};
use stepwise_data::dataset::Dataset;
use stepwise_data::problem::Problem;
use stepwise_data::taxonomy::Taxonomy;

use super::prompts::Prompts;

/// Data set to draw, and what was found in it.
pub struct CasesInput<'a> {
    /// Title of the page, as plain text.
    pub title: &'a str,
    /// All cases of the data set. The cases may break rules of `stepwise check`.
    pub dataset: &'a Dataset,
    /// Counts and image-free baselines of the data set.
    pub summary: &'a CheckSummary,
    /// Names of stages and categories.
    pub taxonomy: &'a Taxonomy,
    /// Problems and warnings of a check of the data set.
    pub findings: &'a Findings,
    /// Near-duplicate images in different groups on one side of the split.
    pub near: &'a [NearImage],
    /// Indices of the cases to show, in order.
    pub shown: &'a [usize],
    /// Prompts under the model of a recipe; None without a recipe.
    pub prompts: Option<&'a Prompts>,
    /// Whether images and texts of credentialed data sets are shown.
    pub shows_credentialed: bool,
    /// Description of the shown cases, as plain text, for example `All 8 cases`.
    pub selection: &'a str,
}

impl CasesInput<'_> {
    /// Returns the problems of the case at `index`, in the order of the check.
    pub(super) fn problems_of(&self, index: usize) -> impl Iterator<Item = &Problem> {
        self.findings.problems.iter().filter(move |problem| problem.row == Some(index + 1))
    }

    /// Returns name and number of a category, or its id alone when the taxonomy lacks it.
    pub(super) fn category(&self, id: &str) -> String {
        self.taxonomy.category(id).map_or_else(|| id.to_owned(), |category| format!("{id} {}", category.name))
    }

    /// Returns number and name of a stage, or its number alone when the taxonomy lacks it.
    pub(super) fn stage(&self, number: u8) -> String {
        self.taxonomy.stage(number).map_or_else(|| number.to_string(), |stage| format!("{number} {}", stage.name))
    }

    /// Returns whether images and texts of a case must not be shown, because its data set needs credentials.
    pub(super) fn is_closed(&self, case: &Case) -> bool {
        case.source.credentialed && !self.shows_credentialed
    }

    /// Returns all cases that texts may be shown of.
    pub(super) fn open_cases(&self) -> impl Iterator<Item = &Case> {
        self.dataset.cases.iter().filter(|case| !self.is_closed(case))
    }
}
