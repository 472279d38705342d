//! Suite of a recipe, and the check of the rules that use its metrics.

use stepwise_benchmark::metrics::{endpoints, is_endpoint};
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::suite_file::SuiteError;
use stepwise_config::nearest::nearest;
use stepwise_recipe::{Recipe, SuiteChoice};

use crate::evaluation::error::BenchmarkError;

/// Returns the suite of the recipe's `[benchmark]`, with the answer form of the recipe and the smaller of both case
/// limits. None for `suite = "none"`.
///
/// # Errors
/// When the suite file cannot be read.
pub fn recipe_suite(recipe: &Recipe) -> Result<Option<Suite>, SuiteError> {
    let mut suite = match &recipe.benchmark.suite {
        SuiteChoice::None => return Ok(None),
        SuiteChoice::Fast => Suite::fast(),
        SuiteChoice::Full => Suite::full(),
        SuiteChoice::File(path) => Suite::load(path)?,
    };
    let most = recipe.benchmark.max_cases.map(|most| most as usize);
    suite.max_cases = suite.max_cases.into_iter().chain(most).min();
    suite.answer_form = recipe.train.answer_form;
    Ok(Some(suite))
}

/// Checks that `suite` measures the metrics of all `early_advance` rules, of `metric_for_best_model` and of
/// `best_model_guard`. With another metric, no phase could end early and no epoch could be chosen. Without a suite only
/// the `early_advance` rules are checked, and every such rule is an error.
///
/// # Errors
/// [`BenchmarkError::Unmeasured`] for the first rule whose metric is not measured.
pub fn check_rules(recipe: &Recipe, suite: Option<&Suite>) -> Result<(), BenchmarkError> {
    let early_advances = recipe.curriculum.phase.iter().filter_map(|phase| {
        let early_advance = phase.examples.early_advance.as_ref()?;
        Some((format!("`early_advance` rule of phase `{}`", phase.name), Some(&early_advance.metric)))
    });
    let best_model = &recipe.train.best_model;
    // Without a suite no epoch is chosen, so `metric_for_best_model` is not checked.
    let selecting = [
        ("train.metric_for_best_model", best_model.metric.as_ref()),
        ("train.best_model_guard", Some(&best_model.guard)),
    ];
    let selecting = selecting.into_iter().filter(|_| suite.is_some()).map(|(key, metric)| (key.to_owned(), metric));
    let rules = early_advances.chain(selecting);
    let known = suite.map(endpoints).unwrap_or_default();
    for (key, metric) in rules.filter_map(|(key, metric)| Some((key, metric?))) {
        if !suite.is_some_and(|suite| is_endpoint(suite, metric)) {
            let near = nearest(metric, known.iter().map(String::as_str));
            let help = match (suite, near) {
                (None, _) => "set `benchmark.suite`: `early_advance` rules need a benchmark".to_owned(),
                (_, Some(near)) => format!("did you mean `{near}`?"),
                _ => "use a metric name from a run's `summary.json`, such as `accuracy:clean:stage_1`".to_owned(),
            };
            return Err(BenchmarkError::Unmeasured { key, metric: metric.clone(), help });
        }
    }
    Ok(())
}
