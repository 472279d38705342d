//! Trainable parameters of a model, grouped by model part and adapter rank, and counts of the frozen ones.

use std::collections::BTreeMap;

use crate::recipe_to_model::is_frozen;
use indexmap::IndexMap;
use stepwise_recipe::Freeze;
use stepwise_vlm::model::{EncoderBlocks, ModelPart, Vlm};
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};

/// Trainable layers of one model part with the same adapter rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Model part: vision tower, connector or decoder.
    pub part: ModelPart,
    /// Rank of the adapters; None if the weights of the model itself are trained.
    pub rank: Option<usize>,
    /// Number of modules by the last component of their name, for example `q_proj`.
    pub modules: IndexMap<String, usize>,
    /// Number of trainable values.
    pub parameters: usize,
    /// Number of values of the largest trainable tensor.
    pub largest: usize,
}

/// Trainable and frozen parameters of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainableParameters {
    /// Trainable layers by part and rank.
    pub groups: Vec<Group>,
    /// Number of values of the model itself that are never trained, by part. Values of adapters are not counted.
    pub frozen: BTreeMap<ModelPart, usize>,
    /// Number of values that are frozen in this phase but trained in another one.
    pub resting: usize,
    /// Blocks of the image encoder that are trained or have adapters.
    pub blocks: EncoderBlocks,
}

impl TrainableParameters {
    /// Counts the trainable and frozen parameters of `model`, which is not changed.
    pub fn of(model: &mut Vlm) -> Self {
        let blocks = model.encoder_blocks();
        let mut count = Count {
            ranks: BTreeMap::new(),
            trainable: Self { groups: Vec::new(), frozen: BTreeMap::new(), resting: 0, blocks },
        };
        model.visit(&mut count);
        count.trainable
    }

    /// Returns the trainable parameters in a phase that freezes the parts `freeze`; those of the frozen parts are
    /// counted as resting.
    #[must_use]
    pub fn but(&self, freeze: Freeze) -> Self {
        let (resting, groups): (Vec<Group>, Vec<Group>) =
            self.groups.iter().cloned().partition(|group| is_frozen(freeze, group.part));
        let resting = self.resting + resting.iter().map(|group| group.parameters).sum::<usize>();
        let trained = self.blocks.trained.filter(|_| !is_frozen(freeze, ModelPart::Vision));
        Self { groups, resting, frozen: self.frozen.clone(), blocks: EncoderBlocks { trained, ..self.blocks } }
    }

    /// Returns the total number of trainable values.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.groups.iter().map(|group| group.parameters).sum()
    }

    /// Returns whether any parameter of a part is trainable.
    #[must_use]
    pub fn learns(&self, part: ModelPart) -> bool {
        self.groups.iter().any(|group| group.part == part)
    }

    /// Returns the last components of the names of all modules of a part, such as `q_proj`, that are trainable or have a
    /// trainable adapter. A name occurs once for each group.
    pub fn modules(&self, part: ModelPart) -> impl Iterator<Item = &str> {
        self.groups
            .iter()
            .filter(move |group| group.part == part)
            .flat_map(|group| group.modules.keys())
            .map(String::as_str)
    }

    /// Returns whether modules of a part whose name ends in the component `name`, such as `q_proj`, are trainable or
    /// have a trainable adapter.
    #[must_use]
    pub fn module_learns(&self, part: ModelPart, name: &str) -> bool {
        self.modules(part).any(|module| module == name)
    }
}

struct Count {
    /// Ranks of the adapters visited so far, by module.
    ranks: BTreeMap<String, usize>,
    trainable: TrainableParameters,
}

impl ParameterVisitor for Count {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        let (part, shape) = (ModelPart::of(name), parameter.shape());
        let values = shape.num_elements();
        // `….q_proj.lora_A.weight`, `….q_proj.lora_magnitude_vector`, `….q_proj.weight`
        let adapter = name.split_once(".lora_");
        if !parameter.learns() {
            // Frozen tensors of an adapter are not part of the model itself.
            if adapter.is_none() {
                *self.trainable.frozen.entry(part).or_default() += values;
            }
            return;
        }
        let module =
            adapter.map_or_else(|| name.rsplit_once('.').map_or(name, |(module, _)| module), |(module, _)| module);
        if adapter.is_some_and(|(_, matrix)| matrix.starts_with("A.")) {
            self.ranks.insert(module.to_owned(), shape.dims::<D>()[0]);
        }
        let rank = adapter.and_then(|_| self.ranks.get(module).copied());
        let groups = &mut self.trainable.groups;
        let at = groups.iter().position(|group| group.part == part && group.rank == rank).unwrap_or_else(|| {
            groups.push(Group { part, rank, modules: IndexMap::new(), parameters: 0, largest: 0 });
            groups.len() - 1
        });
        groups[at].parameters += values;
        groups[at].largest = groups[at].largest.max(values);
        // Each module is counted once, at its first matrix.
        if adapter.map_or_else(|| name.ends_with(".weight"), |(_, matrix)| matrix.starts_with("A.")) {
            let last = module.rsplit('.').next().unwrap_or(module);
            *groups[at].modules.entry(last.to_owned()).or_default() += 1;
        }
    }
}
