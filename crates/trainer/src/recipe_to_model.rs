//! Recipe values as the model crate's own types.

use stepwise_recipe::{Freeze, InitLoraWeights, Train};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter;
use stepwise_vlm::model::ModelPart;

/// Returns the precision in which the recipe's section `[train]` asks to hold the frozen weights of linear layers.
#[must_use]
pub fn base_precision(train: &Train) -> Precision {
    precision(train.bf16, train.load_in_4bit, train.bnb_4bit_use_double_quant)
}

/// Returns the precision that the recipe keys `bf16`, `load_in_4bit` and `bnb_4bit_use_double_quant` name together: NF4
/// with `load_in_4bit`, else bfloat16 with `bf16`, else f32. `double_quant` matters with NF4 only.
#[must_use]
pub fn precision(bf16: bool, load_in_4bit: bool, double_quant: bool) -> Precision {
    match (load_in_4bit, bf16) {
        (true, bf16) => Precision::Nf4 { double_quant, bf16 },
        (false, true) => Precision::Bf16,
        (false, false) => Precision::F32,
    }
}

/// Converts the recipe key `init_lora_weights` to the initial values of a new adapter.
#[must_use]
pub fn initial_weights(way: InitLoraWeights) -> adapter::InitLoraWeights {
    match way {
        InitLoraWeights::True => adapter::InitLoraWeights::Kaiming,
        InitLoraWeights::Gaussian => adapter::InitLoraWeights::Gaussian,
        InitLoraWeights::Pissa => adapter::InitLoraWeights::Pissa,
        InitLoraWeights::False => adapter::InitLoraWeights::Random,
    }
}

/// Returns whether `freeze` names the part, so that its parameters are not trained.
#[must_use]
pub const fn is_frozen(freeze: Freeze, part: ModelPart) -> bool {
    match part {
        ModelPart::Vision => freeze.vision,
        ModelPart::Connector => freeze.connector,
        ModelPart::Decoder => freeze.decoder,
    }
}
