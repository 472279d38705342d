//! PathVQA in Parquet, as the Hugging Face hub has it: `image`, `question`, `answer` in files of three sides. The original
//! files are Python pickles, which are not read.

use std::path::Path;

use stepwise_data::problem::Problems;

use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::hugging_face::{has_validation, mark, plain, rows};

/// PathVQA.
pub(super) struct PathVqa;

impl Format for PathVqa {
    fn name(&self) -> &'static str {
        "path-vqa"
    }

    fn about(&self) -> &'static str {
        "PathVQA in Parquet (data/train-*.parquet, validation, test; image, question, answer)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let found = plain(source);
        vec![
            mark(&found, "Parquet file", "image, question, answer and nothing else"),
            Mark::common("a file of the validation side", has_validation(source, &found)),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        rows(source, plain(source), &[], |_, _| {})
    }
}
