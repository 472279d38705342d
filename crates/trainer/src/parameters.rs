//! The table of what is trained: part, modules, rank, parameters, learning rate.

use std::collections::BTreeMap;

use crate::recipe_to_model::is_frozen;
use indexmap::IndexMap;
use stepwise_recipe::Freeze;
use stepwise_vlm::idefics3::{ModelPart, Vlm};
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};

/// Layers of one part that learn in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Vision tower, connector or decoder.
    pub part: ModelPart,
    /// Rank of the adapters; none where the model's own weights learn.
    pub rank: Option<usize>,
    /// Last names of the modules, with how many there are of each.
    pub modules: IndexMap<String, usize>,
    /// Values that learn.
    pub parameters: usize,
}

/// All of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// What learns, by part and rank.
    pub groups: Vec<Group>,
    /// Values that stay as they are, of each part.
    pub frozen: BTreeMap<ModelPart, usize>,
    /// Values that learn in other phases.
    pub resting: usize,
}

impl Inventory {
    /// Looks through a model.
    pub fn of(model: &mut Vlm) -> Self {
        let mut count = Count {
            ranks: BTreeMap::new(),
            inventory: Self { groups: Vec::new(), frozen: BTreeMap::new(), resting: 0 },
        };
        model.visit(&mut count);
        count.inventory
    }

    /// What of it learns in a phase that freezes these parts.
    #[must_use]
    pub fn but(&self, freeze: Freeze) -> Self {
        let (resting, groups): (Vec<Group>, Vec<Group>) =
            self.groups.iter().cloned().partition(|group| is_frozen(freeze, group.part));
        let resting = self.resting + resting.iter().map(|group| group.parameters).sum::<usize>();
        Self { groups, resting, frozen: self.frozen.clone() }
    }

    /// Values that learn.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.groups.iter().map(|group| group.parameters).sum()
    }

    /// Whether anything of a part learns.
    #[must_use]
    pub fn learns(&self, part: ModelPart) -> bool {
        self.groups.iter().any(|group| group.part == part)
    }

    /// Whether modules of this last name learn, or carry an adapter that does.
    #[must_use]
    pub fn module_learns(&self, part: ModelPart, name: &str) -> bool {
        self.groups.iter().any(|group| group.part == part && group.modules.contains_key(name))
    }
}

struct Count {
    /// Of the adapters met, by module.
    ranks: BTreeMap<String, usize>,
    inventory: Inventory,
}

impl ParameterVisitor for Count {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        let (part, shape) = (ModelPart::of(name), parameter.shape());
        let values = shape.num_elements();
        // `….q_proj.lora_A.weight`, `….q_proj.lora_magnitude_vector`, `….q_proj.weight`
        let adapter = name.split_once(".lora_");
        if !parameter.learns() {
            // What an adapter holds beside what it learns is none of the model's own.
            if adapter.is_none() {
                *self.inventory.frozen.entry(part).or_default() += values;
            }
            return;
        }
        let module =
            adapter.map_or_else(|| name.rsplit_once('.').map_or(name, |(module, _)| module), |(module, _)| module);
        if adapter.is_some_and(|(_, matrix)| matrix.starts_with("A.")) {
            self.ranks.insert(module.to_owned(), shape.dims::<D>()[0]);
        }
        let rank = adapter.and_then(|_| self.ranks.get(module).copied());
        let groups = &mut self.inventory.groups;
        let at = groups.iter().position(|group| group.part == part && group.rank == rank).unwrap_or_else(|| {
            groups.push(Group { part, rank, modules: IndexMap::new(), parameters: 0 });
            groups.len() - 1
        });
        groups[at].parameters += values;
        // A module is counted once: by its first matrix.
        if adapter.map_or_else(|| name.ends_with(".weight"), |(_, matrix)| matrix.starts_with("A.")) {
            let last = module.rsplit('.').next().unwrap_or(module);
            *groups[at].modules.entry(last.to_owned()).or_default() += 1;
        }
    }
}
