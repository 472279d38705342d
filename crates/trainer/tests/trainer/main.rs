//! Tests of the crate from outside, in one program: every program of tests links Burn again.

mod families;
mod objectives;
mod preparation;
mod run;
mod step_parity;
mod tensorboard;
