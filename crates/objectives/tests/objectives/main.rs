//! Values and gradients of every objective against direct formulas and finite differences.

mod drawn;
mod extremes;
mod formulas;
mod gradients;
