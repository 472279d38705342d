//! Check that frozen parameters do not change. Their digests are compared whenever a checkpoint is written.
//! Digests of parameters that are never trained are taken when the run starts, digests of what a phase freezes
//! when the phase begins.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};

/// SHA-256 digests of tensors by name.
type Digests = BTreeMap<String, [u8; 32]>;

/// Digests of the frozen tensors, with which later changes are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrozenDigests {
    /// Tensors that no phase trains.
    never: Digests,
    /// Tensors that are frozen in the current phase only.
    resting: Digests,
}

/// Error: the named tensor changed although it is frozen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} changed although it is frozen -> no checkpoint was written; continue from the newest checkpoint with \
     `--resume`, and report this bug with the recipe"
)]
pub struct FrozenChanged(pub String);

impl FrozenDigests {
    /// Computes the digests of all parameters that no phase trains. In `model`, everything that any phase trains
    /// must be trainable.
    pub fn of(model: &mut Vlm) -> Self {
        Self { never: digests(model, &Digests::new()), resting: Digests::new() }
    }

    /// Replaces the digests of the tensors that are frozen in the current phase only. To be called after the phase's
    /// freezing was applied to `model`.
    pub fn rest(&mut self, model: &mut Vlm) {
        self.resting = digests(model, &self.never);
    }

    /// Compares the digests with the current parameters of `model`.
    ///
    /// # Errors
    /// Names the first frozen tensor that changed, is missing, or has no recorded digest.
    pub fn unmoved(&self, model: &mut Vlm) -> Result<(), FrozenChanged> {
        let now = digests(model, &Digests::new());
        let before: BTreeMap<_, _> = self.never.iter().chain(&self.resting).collect();
        let gone = before.iter().find(|(name, digest)| now.get(**name) != Some(**digest)).map(|(name, _)| *name);
        match gone.or_else(|| now.keys().find(|name| !before.contains_key(name))) {
            Some(name) => Err(FrozenChanged(name.clone())),
            None => Ok(()),
        }
    }
}

/// Digests of the frozen tensors that are not in `known`.
fn digests(model: &mut Vlm, known: &Digests) -> Digests {
    let mut look = Look { known, found: Digests::new() };
    model.visit(&mut look);
    look.found
}

struct Look<'a> {
    known: &'a Digests,
    found: Digests,
}

impl ParameterVisitor for Look<'_> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if !parameter.learns() && !self.known.contains_key(name) {
            let digest = Sha256::digest(parameter.values().into_data().as_bytes()).into();
            self.found.insert(name.to_owned(), digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use stepwise_testing::model::model_with_lora;
    use stepwise_testing::model::parameters::{set_trainable, shift};

    use super::*;

    /// Changes the parameters whose names contain `part`.
    fn nudge(model: &mut Vlm, part: &str) {
        shift(model, 1e-6, |name| name.contains(part));
    }

    #[test]
    fn a_changed_frozen_tensor_is_named_and_a_trainable_one_may_change() {
        let mut model = model_with_lora();
        let before = FrozenDigests::of(&mut model);
        nudge(&mut model, "lora_");
        assert_eq!(before.unmoved(&mut model), Ok(()));
        nudge(&mut model, "layers.1.mlp.up_proj.weight");
        let name = "model.text_model.layers.1.mlp.up_proj.weight".to_owned();
        assert_eq!(before.unmoved(&mut model), Err(FrozenChanged(name)));
    }

    #[test]
    fn tensors_that_a_phase_freezes_may_change_only_outside_the_phase() {
        let set_decoder = |model: &mut Vlm, trainable| {
            set_trainable(model, trainable, |name| name.contains("text_model") && name.contains("lora_"));
        };
        let mut model = model_with_lora();
        let mut frozen = FrozenDigests::of(&mut model);
        nudge(&mut model, "lora_");
        set_decoder(&mut model, false);
        let first = "model.text_model.layers.0.mlp.down_proj.lora_A.weight".to_owned();
        assert_eq!(frozen.unmoved(&mut model), Err(FrozenChanged(first.clone())), "the freezing was not recorded");
        frozen.rest(&mut model);
        assert_eq!(frozen.unmoved(&mut model), Ok(()));
        nudge(&mut model, "vision_model.encoder.layers.0.mlp.fc1.lora_");
        assert_eq!(frozen.unmoved(&mut model), Ok(()), "another part is still trained");
        nudge(&mut model, "text_model.layers.0.mlp.down_proj.lora_A");
        assert_eq!(frozen.unmoved(&mut model), Err(FrozenChanged(first)));
        set_decoder(&mut model, true);
        frozen.rest(&mut model);
        assert_eq!(frozen.unmoved(&mut model), Ok(()));
    }
}
