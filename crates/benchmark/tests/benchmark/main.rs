//! Tests of the crate from outside, in one program: every program of tests links the whole crate again.

mod attack;
mod attack_parity;
mod baselines;
mod ceiling;
mod changing_priors;
mod compare;
mod compat;
mod endpoints;
mod every_metric;
mod fake_robustness;
mod memory;
mod metrics;
mod model_table;
mod one_right_answer;
mod pictures;
mod plan;
mod purity;
mod run;
mod scoring;
mod simulation;
mod ssim_parity;
mod stats_parity;
mod subgroups;
mod text;
