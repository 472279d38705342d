//! Recipe values as the model crate's own types.

use stepwise_recipe::{Freeze, InitLoraWeights, Train};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter;
use stepwise_vlm::idefics3::ModelPart;

/// Precision in which the frozen weights of linear layers are held.
#[must_use]
pub fn base_precision(train: &Train) -> Precision {
    precision(train.bf16, train.load_in_4bit, train.bnb_4bit_use_double_quant)
}

/// Precision that the recipe keys `bf16`, `load_in_4bit` and `bnb_4bit_use_double_quant` name together.
#[must_use]
pub fn precision(bf16: bool, load_in_4bit: bool, double_quant: bool) -> Precision {
    match (load_in_4bit, bf16) {
        (true, bf16) => Precision::Nf4 { double_quant, bf16 },
        (false, true) => Precision::Bf16,
        (false, false) => Precision::F32,
    }
}

/// Initial values of a new adapter, as the recipe key `init_lora_weights` names them.
#[must_use]
pub fn initial_weights(way: InitLoraWeights) -> adapter::InitLoraWeights {
    match way {
        InitLoraWeights::True => adapter::InitLoraWeights::Kaiming,
        InitLoraWeights::Gaussian => adapter::InitLoraWeights::Gaussian,
        InitLoraWeights::Pissa => adapter::InitLoraWeights::Pissa,
        InitLoraWeights::False => adapter::InitLoraWeights::Random,
    }
}

/// Whether `freeze` keeps a part of the model as it is.
#[must_use]
pub const fn is_frozen(freeze: Freeze, part: ModelPart) -> bool {
    match part {
        ModelPart::Vision => freeze.vision,
        ModelPart::Connector => freeze.connector,
        ModelPart::Decoder => freeze.decoder,
    }
}
