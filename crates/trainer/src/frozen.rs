//! What does not learn stays as it is: its digests before the first step are compared whenever a checkpoint is written.

use sha2::{Digest, Sha256};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::model::parameter::{Parameter, ParameterVisitor};

/// Digests of the tensors that do not learn, by name, in the model's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen(Vec<(String, [u8; 32])>);

/// A tensor that changed although it does not learn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} changed although it is frozen -> nothing was saved; the newest checkpoint is as it was: go on from it with \
     `--resume`, and report this with the recipe"
)]
pub struct Moved(pub String);

impl Frozen {
    /// Looks through a model.
    pub fn of(model: &mut Vlm) -> Self {
        let mut frozen = Self::default();
        model.visit(&mut frozen);
        frozen
    }

    /// Compares with the model as it is now.
    ///
    /// # Errors
    /// With the first tensor that differs, or is no longer there.
    pub fn unmoved(&self, model: &mut Vlm) -> Result<(), Moved> {
        let now = Self::of(model);
        let moved = self.0.iter().zip(&now.0).find(|(before, after)| before != after);
        match moved {
            Some(((name, _), _)) => Err(Moved(name.clone())),
            None if self.0.len() != now.0.len() => {
                let longer = if self.0.len() > now.0.len() { &self.0 } else { &now.0 };
                Err(Moved(longer[self.0.len().min(now.0.len())].0.clone()))
            }
            None => Ok(()),
        }
    }
}

impl ParameterVisitor for Frozen {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if !parameter.learns() {
            let digest = Sha256::digest(parameter.values().into_data().as_bytes()).into();
            self.0.push((name.to_owned(), digest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::model;

    struct Nudge(&'static str);

    impl ParameterVisitor for Nudge {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if name.contains(self.0) {
                parameter.replace(parameter.values() + 1e-6);
            }
        }
    }

    #[test]
    fn a_frozen_tensor_that_moves_is_named_and_one_that_learns_may() {
        let mut model = model();
        stepwise_vlm::adapter::attach(&mut model, &crate::testing::lora(), 1, |_| true).expect("attached");
        let before = Frozen::of(&mut model);
        model.visit(&mut Nudge("lora_"));
        assert_eq!(before.unmoved(&mut model), Ok(()));
        model.visit(&mut Nudge("layers.1.mlp.up_proj.weight"));
        let name = "model.text_model.layers.1.mlp.up_proj.weight".to_owned();
        assert_eq!(before.unmoved(&mut model), Err(Moved(name)));
    }
}
