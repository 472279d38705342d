//! `layers_to_transform` and `layers_pattern`: adapters on some layers only, by PEFT's matching rules.

use fancy_regex::Regex;

use super::{AdapterError, LoraConfig, Targets};

/// Compiled layer settings of a config, which say of every module whether it belongs to one of the layers.
pub(super) struct Layers<'a> {
    /// Indices of the layers; empty for all layers.
    indices: &'a [usize],
    /// Expressions whose group `idx` is the index of a module's layer. The first one that matches applies.
    patterns: Vec<Regex>,
}

impl<'a> Layers<'a> {
    /// Compiles the layer settings of `config`.
    ///
    /// # Errors
    /// When there is no list of modules to restrict, or patterns without indices, which PEFT refuses, too, or when an entry of
    /// `layers_pattern` is not a regular expression.
    pub fn new(config: &'a LoraConfig) -> Result<Self, AdapterError> {
        let (has_indices, has_patterns) = (!config.layers_to_transform.is_empty(), !config.layers_pattern.is_empty());
        if matches!(config.target_modules, Targets::Pattern(_)) && (has_indices || has_patterns) {
            return Err(AdapterError::NothingToRestrict(
                "layers restrict a list of `target_modules`, and it is a string",
            ));
        }
        if has_patterns && !has_indices {
            return Err(AdapterError::NothingToRestrict("`layers_pattern` is given without layers"));
        }
        let compiled = |pattern: &str, written: &str| {
            Regex::new(pattern).map_err(|problem| AdapterError::Pattern {
                field: "layers_pattern",
                pattern: written.to_owned(),
                problem: problem.to_string(),
            })
        };
        // The expressions of PEFT's `check_target_module_exists`, which it matches from the beginning of the name.
        let patterns = match config.layers_pattern.is_empty() {
            true => vec![compiled(r"\A(?:.*?\.[^.]*\.(?P<idx>\d+)\.)", "")?],
            false => {
                let patterns = config.layers_pattern.iter();
                let patterns =
                    patterns.map(|name| compiled(&format!(r"\A(?:(?:^|.*?\.){name}\.(?P<idx>\d+)\.)"), name));
                patterns.collect::<Result<_, _>>()?
            }
        };
        Ok(Self { indices: &config.layers_to_transform, patterns })
    }

    /// Returns whether `module` belongs to one of the layers: true for every module if there are no indices, and false for a
    /// module without a layer if there are some.
    pub fn take(&self, module: &str) -> bool {
        self.indices.is_empty() || self.index(module).is_some_and(|index| self.indices.contains(&index))
    }

    /// Checks that each index is the layer of one of `modules`, which are selected without layers.
    ///
    /// # Errors
    /// When an index is the layer of none of them, so that it would have no effect.
    pub fn check(&self, modules: &[&String]) -> Result<(), AdapterError> {
        let mut found: Vec<usize> = modules.iter().filter_map(|module| self.index(module)).collect();
        found.sort_unstable();
        found.dedup();
        match self.indices.iter().find(|index| !found.contains(index)) {
            Some(index) => Err(AdapterError::NoLayer { index: *index, layers: found }),
            None => Ok(()),
        }
    }

    /// Index of the layer that `module` belongs to; None for a module outside of layers.
    fn index(&self, module: &str) -> Option<usize> {
        let found = self.patterns.iter().find_map(|pattern| pattern.captures(module).ok().flatten())?;
        found.name("idx")?.as_str().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::targets;
    use super::*;

    fn names() -> Vec<String> {
        let blocks = (0..3).map(|index| format!("model.vision_model.encoder.layers.{index}.mlp.fc1"));
        let decoder = (0..2).map(|index| format!("model.text_model.layers.{index}.mlp.experts.7.fc1"));
        blocks.chain(decoder).chain(["model.connector.fc1".to_owned()]).collect()
    }

    fn config(layers: &[usize], patterns: &[&str]) -> LoraConfig {
        LoraConfig {
            layers_to_transform: layers.to_vec(),
            layers_pattern: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            ..LoraConfig::new(2, 4.0, Targets::List(vec!["fc1".to_owned()]))
        }
    }

    #[test]
    fn a_module_belongs_to_the_first_number_in_its_name_or_to_the_layers_of_a_pattern() {
        let chosen = |layers: &[usize], patterns: &[&str]| {
            let names = names();
            let chosen = targets::select(&config(layers, patterns), &names, &[]).expect("a selection");
            let place = |name: &String| names.iter().position(|other| other == name).expect("one of them");
            chosen.iter().map(place).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[], &[]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(chosen(&[0, 1], &[]), [0, 1, 3, 4], "an expert's number is no layer");
        assert_eq!(chosen(&[2, 0], &["encoder.layers"]), [0, 2]);
        assert_eq!(chosen(&[1], &["blocks", "text_model.layers"]), [4]);
    }

    #[test]
    fn layers_without_a_module_and_wrong_patterns_are_refused() {
        let refused = |layers: &[usize], patterns: &[&str]| {
            targets::select(&config(layers, patterns), &names(), &[]).expect_err("refused").to_string()
        };
        assert_eq!(
            refused(&[0, 3], &["encoder.layers"]),
            "layers_to_transform: no module of `target_modules` is in layer 3 -> the layers are 0, 1, 2"
        );
        assert!(refused(&[0], &["blocks"]).ends_with("-> name other modules, or correct `layers_pattern`"));
        assert!(refused(&[0], &["("]).starts_with("layers_pattern: \"(\" is not a regular expression"));
        assert!(refused(&[], &["encoder.layers"]).contains("`layers_pattern` is given without layers -> "));
        let all = LoraConfig {
            layers_to_transform: vec![0],
            ..LoraConfig::new(2, 4.0, Targets::Pattern("all-linear".into()))
        };
        let refused = targets::select(&all, &names(), &[]).expect_err("refused").to_string();
        assert!(refused.contains("it is a string -> "), "{refused}");
    }
}
