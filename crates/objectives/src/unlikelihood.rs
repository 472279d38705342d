//! Unlikelihood of the wrong option that a condition names.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::distribution::{Distribution, log_sum_exp};
use crate::objective::{Needs, Objective, Term};
use crate::question::{Question, Shape, View};

/// Unlikelihood training (Welleck et al. 2019) of the wrong option that the condition names: `-log(1 - P(named))`, where P
/// is the distribution over the options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Unlikelihood {}

impl Objective for Unlikelihood {
    const NAME: &'static str = "unlikelihood";
    const ABOUT: &'static str = "Unlikelihood (Welleck et al. 2019) of the wrong option that a condition of `augment` names, such as a \
        misleading hint. Applies to training examples under such a condition.";

    fn read(_: &mut Section<'_>) -> Self {
        Self {}
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn applies(&self, shape: &Shape) -> bool {
        shape.named.is_some() && shape.options > 1
    }

    fn term(&self, question: &Question) -> Term {
        let distribution = Distribution::of(question.under(View::Shown));
        let named = question.shape.named.expect("the objective applies where an option is named");
        let logs = &distribution.logs;
        let rest = logs.iter().enumerate().filter(|(option, _)| *option != named).map(|(_, log)| *log);
        // 1 - P(named) is summed over the other options, which loses no digits where P(named) is near 1.
        let log_rest = log_sum_exp(rest);
        let outer: Vec<f64> = logs
            .iter()
            .enumerate()
            .map(|(option, log)| if option == named { 0.0 } else { -(log - log_rest).exp() })
            .collect();
        let mut term = Term::constant(question, -log_rest);
        term.add_all(View::Shown, &distribution.gradient(&outer));
        term
    }
}
