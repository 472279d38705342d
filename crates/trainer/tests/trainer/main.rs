//! Tests of the crate from outside, in one program: every program of tests links Burn again.

mod families;
mod objectives;
mod preparation;
mod run;
mod step_parity;
mod tensorboard;

use stepwise_trainer::optim::part_rates::Rates;
use stepwise_trainer::optim::step::StepOptions;

/// Steps without limit of the gradient's norm, without dropout and without checkpointing.
const OPTIONS: StepOptions = StepOptions {
    rates: Rates::same(1e-3),
    max_grad_norm: 0.0,
    dropout_key: 0,
    gradient_checkpointing: false,
    objective_progress: 0.0,
};
