//! The objectives of a recipe, and the list of all objectives.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::objective::{Needs, Objective, Term};
use crate::question::{Question, Shape};
use crate::weight::Weight;
use crate::{
    ConditionalPreference, Consistency, Contrast, Dpo, ExpectedReward, MaskedKl, Pair, ProductOfExperts, Simpo,
    Unlikelihood,
};

/// Key and name in logs of the weight of cross-entropy.
const CROSS_ENTROPY: &str = "cross_entropy";

/// An objective and its factor in the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Weighted<T> {
    /// Factor of the objective in the loss, above 0 at some step.
    pub weight: Weight,
    /// The objective.
    #[serde(flatten)]
    pub objective: T,
}

/// Call for each objective of a recipe; a function with a type parameter, which closures cannot have.
trait Visit {
    fn visit<T: Objective>(&mut self, weighted: &Weighted<T>);
}

macro_rules! objectives {
    ($($field:ident: $kind:ident),* $(,)?) => {
        /// Table `[objective]` of a recipe: the weight of cross-entropy, and the objectives that are added to it.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub struct Objectives {
            /// Factor of the cross-entropy of the supervised tokens.
            pub cross_entropy: Weight,
            $(
                #[doc = concat!("[`", stringify!($kind), "`] with its weight; None if the recipe does not use it.")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<Weighted<$kind>>,
            )*
        }

        impl Default for Objectives {
            /// Cross-entropy alone.
            fn default() -> Self {
                Self { cross_entropy: Weight::constant(1.0), $($field: None),* }
            }
        }

        impl Objectives {
            /// Names of all objectives, in the order of their losses in logs.
            pub const NAMES: &[&str] = &[$($kind::NAME),*];

            /// Reads the table `[objective]`. An objective is used if its table is written, with a weight above 0 at some
            /// step. Wrong values are reported.
            pub fn read(section: &mut Section<'_>) -> Self {
                Self {
                    cross_entropy: Weight::read(
                        section,
                        CROSS_ENTROPY,
                        1.0,
                        "Factor of the cross-entropy of the supervised tokens.",
                    ),
                    $($field: read_one(section, $kind::NAME)),*
                }
            }

            fn visit(&self, visitor: &mut impl Visit) {
                $(self.$field.iter().for_each(|weighted| visitor.visit(weighted));)*
            }
        }
    };
}

objectives! {
    dpo: Dpo,
    simpo: Simpo,
    unlikelihood: Unlikelihood,
    consistency: Consistency,
    expected_reward: ExpectedReward,
    product_of_experts: ProductOfExperts,
    pair: Pair,
    conditional_preference: ConditionalPreference,
    contrast: Contrast,
    masked_kl: MaskedKl,
}

fn read_one<T: Objective>(section: &mut Section<'_>, name: &'static str) -> Option<Weighted<T>> {
    let is_written = section.has(name);
    let mut table = section.section(name).about(T::ABOUT);
    let weight = Weight::read(&mut table, "weight", T::WEIGHT, "Factor of the objective in the loss; 0 leaves it out.");
    let objective = T::read(&mut table);
    table.finish();
    (is_written && !weight.is_zero()).then_some(Weighted { weight, objective })
}

/// Loss of an objective at one question, and its weighted gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTerm {
    /// Name of the objective.
    pub name: &'static str,
    /// Factor of the objective in the loss at the step.
    pub weight: f64,
    /// Loss and gradient without the factor.
    pub term: Term,
}

impl Objectives {
    /// Returns whether the loss is cross-entropy with the constant weight 1 and nothing else.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the names and weights of the objectives in use, without cross-entropy.
    #[must_use]
    pub fn in_use(&self) -> Vec<(&'static str, Weight)> {
        struct InUse(Vec<(&'static str, Weight)>);
        impl Visit for InUse {
            fn visit<T: Objective>(&mut self, weighted: &Weighted<T>) {
                self.0.push((T::NAME, weighted.weight));
            }
        }
        let mut in_use = InUse(Vec::new());
        self.visit(&mut in_use);
        in_use.0
    }

    /// Returns the names and weights of all losses, cross-entropy first.
    #[must_use]
    pub fn weights(&self) -> Vec<(&'static str, Weight)> {
        std::iter::once((CROSS_ENTROPY, self.cross_entropy)).chain(self.in_use()).collect()
    }

    /// Returns what the objectives in use need together.
    #[must_use]
    pub fn needs(&self) -> Needs {
        struct All(Needs);
        impl Visit for All {
            fn visit<T: Objective>(&mut self, weighted: &Weighted<T>) {
                self.0 = self.0.and(weighted.objective.needs());
            }
        }
        let mut all = All(Needs::default());
        self.visit(&mut all);
        all.0
    }

    /// Returns the names of the objectives in use that apply to questions of this shape.
    #[must_use]
    pub fn applying(&self, shape: &Shape) -> Vec<&'static str> {
        struct Applying<'a>(&'a Shape, Vec<&'static str>);
        impl Visit for Applying<'_> {
            fn visit<T: Objective>(&mut self, weighted: &Weighted<T>) {
                if weighted.objective.applies(self.0) {
                    self.1.push(T::NAME);
                }
            }
        }
        let mut applying = Applying(shape, Vec::new());
        self.visit(&mut applying);
        applying.1
    }

    /// Computes the losses and gradients of all objectives in use that apply to `question`, with their factors after the
    /// share `progress` of the schedules, 0 to 1.
    ///
    /// # Panics
    /// When a score that [`Objectives::needs`] names is missing.
    #[must_use]
    pub fn terms(&self, question: &Question, progress: f64) -> Vec<NamedTerm> {
        struct Terms<'a> {
            question: &'a Question,
            progress: f64,
            terms: Vec<NamedTerm>,
        }
        impl Visit for Terms<'_> {
            fn visit<T: Objective>(&mut self, weighted: &Weighted<T>) {
                if weighted.objective.applies(&self.question.shape) {
                    let (weight, term) = (weighted.weight.at(self.progress), weighted.objective.term(self.question));
                    self.terms.push(NamedTerm { name: T::NAME, weight, term });
                }
            }
        }
        let mut terms = Terms { question, progress, terms: Vec::new() };
        self.visit(&mut terms);
        terms.terms
    }
}
