//! `modules_to_save`: modules that are trained in full, as a trainable copy next to the frozen original.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};

use super::targets::{ends_in, nearest_module};
use super::{AdapterError, LoraConfig};
use crate::model::Vlm;
use crate::nn::parameter::{Parameter, ParameterVisitor};
use crate::nn::source::WeightError;
use crate::weights::SafetensorsSource;

/// Returns whether the module `name` is one of `modules` or lies inside one. `modules` holds whole names or their
/// last parts.
pub(super) fn holds(modules: &[String], name: &str) -> bool {
    let above = name.match_indices('.').map(|(end, _)| &name[..end]).chain([name]);
    above.into_iter().any(|module| modules.iter().any(|wanted| ends_in(module, wanted)))
}

/// Returns the names of all parameters in the modules of `modules_to_save`; empty when the list is empty.
///
/// # Errors
/// When an entry matches no module, or matches the head or embedding of a model in which both share one matrix.
pub(super) fn parameters(model: &mut Vlm, config: &LoraConfig) -> Result<Vec<String>, AdapterError> {
    if config.modules_to_save.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = Names(Vec::new());
    model.visit(&mut names);
    let mut modules: Vec<String> =
        names.0.iter().filter_map(|name| Some(name.rsplit_once('.')?.0.to_owned())).collect();
    modules.dedup();
    let tied = model.config().text.tie_word_embeddings;
    for wanted in &config.modules_to_save {
        let one = std::slice::from_ref(wanted);
        if tied
            && (ends_in("lm_head", wanted)
                || modules.iter().any(|name| name.ends_with("embed_tokens") && holds(one, name)))
        {
            return Err(AdapterError::Tied(wanted.clone()));
        }
        if !modules.iter().any(|name| holds(one, name)) {
            let nearest = nearest_module(wanted, &modules);
            return Err(AdapterError::NoModule { target: wanted.clone(), nearest });
        }
    }
    names.0.retain(|name| name.rsplit_once('.').is_some_and(|(module, _)| holds(&config.modules_to_save, module)));
    Ok(names.0)
}

struct Names(Vec<String>);

impl ParameterVisitor for Names {
    fn visit<const D: usize>(&mut self, name: &str, _: &mut Parameter<D>) {
        if !name.contains(".lora_") {
            self.0.push(name.to_owned());
        }
    }
}

/// Values of trained copies by parameter name; `None` stands for the values of the original.
pub(super) type Copies = BTreeMap<String, Option<Vec<f32>>>;

/// Gives each parameter of `copies` a trainable copy, and removes every other copy. Given values must fit the
/// parameter's shape, as [`read`] makes sure.
pub(super) fn learn(model: &mut Vlm, copies: Copies) {
    model.visit(&mut Learn(copies));
}

struct Learn(Copies);

impl ParameterVisitor for Learn {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        parameter.end_beside(false);
        if let Some(copy) = self.0.remove(name) {
            let (values, shape) = (parameter.values(), parameter.shape());
            let device = values.device();
            parameter
                .learn_beside(copy.map_or(values, |copy| Tensor::from_data(TensorData::new(copy, shape), &device)));
        }
    }
}

/// Reads each parameter of `names` from a PEFT adapter file. `place` is the path for errors.
///
/// # Errors
/// With the first parameter that is missing, has another shape, or has values that are not finite.
pub(super) fn read(
    model: &mut Vlm,
    names: &[String],
    source: &SafetensorsSource,
    place: &str,
) -> Result<Copies, WeightError> {
    let mut read = Read { names, source, place, copies: Ok(Copies::new()) };
    model.visit(&mut read);
    read.copies
}

struct Read<'a> {
    names: &'a [String],
    source: &'a SafetensorsSource,
    place: &'a str,
    copies: Result<Copies, WeightError>,
}

impl ParameterVisitor for Read<'_> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        let Ok(copies) = &mut self.copies else { return };
        if !self.names.iter().any(|wanted| wanted == name) {
            return;
        }
        let (key, expected) = (super::folder::key(name), parameter.shape().to_vec());
        match self.source.any(&key) {
            Ok((found, values)) if found == expected => {
                copies.insert(name.to_owned(), Some(values));
            }
            Ok((found, _)) => {
                self.copies = Err(WeightError::Shape { name: key, place: self.place.to_owned(), found, expected });
            }
            Err(problem) => self.copies = Err(problem),
        }
    }
}

/// Replaces every original by its trained copy, frozen (PEFT's `merge_and_unload`).
pub(super) fn merge(model: &mut Vlm) {
    struct Keep;
    impl ParameterVisitor for Keep {
        fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
            parameter.end_beside(true);
        }
    }
    model.visit(&mut Keep);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_by_its_last_parts_and_includes_its_submodules() {
        let holds = |wanted: &str, name: &str| holds(&[wanted.to_owned()], name);
        assert!(holds("lm_head", "lm_head"));
        assert!(holds("modality_projection.proj", "model.connector.modality_projection.proj"));
        assert!(holds("connector", "model.connector.modality_projection.proj"));
        assert!(!holds("proj", "model.text_model.layers.0.self_attn.q_proj"));
        assert!(!holds("model.connector.modality_projection.proj.more", "model.connector.modality_projection.proj"));
    }
}
