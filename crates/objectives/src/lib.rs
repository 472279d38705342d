#![doc = include_str!("../README.md")]

mod conditional_preference;
mod consistency;
mod contrast;
mod distribution;
mod dpo;
mod expected_reward;
mod logistic;
mod masked_kl;
mod objective;
mod pair;
mod product_of_experts;
mod question;
mod registry;
mod rejected;
mod simpo;
mod unlikelihood;
mod weight;

pub use conditional_preference::ConditionalPreference;
pub use consistency::Consistency;
pub use contrast::Contrast;
pub use distribution::Distribution;
pub use dpo::{Dpo, DpoLoss};
pub use expected_reward::ExpectedReward;
pub use masked_kl::MaskedKl;
pub use objective::{Needs, Objective, Term};
pub use pair::Pair;
pub use product_of_experts::{Prior, ProductOfExperts};
pub use question::{NotFinite, Question, Scores, Shape, VIEWS, View};
pub use registry::{NamedTerm, Objectives, Weighted};
pub use rejected::Rejected;
pub use simpo::Simpo;
pub use unlikelihood::Unlikelihood;
pub use weight::Weight;
