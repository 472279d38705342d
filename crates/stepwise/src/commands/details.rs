//! What `--verbose` writes about a recipe and about cases.

use std::path::Path;

use stepwise_recipe::{Data, Recipe, SuiteChoice};

/// Writes with `--verbose` what the recipe read from `path` names: model, adapter, cases and suite.
pub fn recipe(path: &Path, recipe: &Recipe) {
    detail!("recipe: {}", path.display());
    detail!("model: {}", recipe.model_name_or_path.display());
    if let Some(adapter) = &recipe.adapter_name_or_path {
        detail!("adapter: {}", adapter.display());
    }
    cases(&recipe.data);
    match &recipe.benchmark.suite {
        SuiteChoice::None => detail!("suite: none"),
        SuiteChoice::Fast => detail!("suite: fast"),
        SuiteChoice::Full => detail!("suite: full"),
        SuiteChoice::File(path) => detail!("suite: {}", path.display()),
    }
}

/// Writes with `--verbose` where cases come from, and which side of the split is evaluated.
pub fn cases(data: &Data) {
    detail!("cases: {}; evaluated: {}", data.source, data.eval_split.word());
}
