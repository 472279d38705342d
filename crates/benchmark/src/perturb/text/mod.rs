//! Perturbations of the words around a question.

pub mod hedge;
pub mod hint;
pub mod injection;
pub mod negation;
pub mod none_above;
pub mod paraphrase;
pub mod parents;
pub mod permutation;
pub mod premise;
pub mod rebuttal;
