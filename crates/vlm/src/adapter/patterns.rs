//! `rank_pattern` and `alpha_pattern`: ranks and scales of single modules, by PEFT's matching rules.

use fancy_regex::Regex;
use indexmap::IndexMap;

use super::targets::nearest_module;
use super::{AdapterError, LoraConfig};

/// Compiled patterns of a config, which give the rank and scale of every module.
pub(super) struct Patterns<'a> {
    config: &'a LoraConfig,
    ranks: Vec<(Regex, usize)>,
    alphas: Vec<(Regex, f32)>,
}

impl<'a> Patterns<'a> {
    /// Compiles the patterns of `config`. `adapted` holds the names of all modules that get an adapter.
    ///
    /// # Errors
    /// When a pattern is not a regular expression, or matches none of the `adapted` modules and so would have
    /// no effect.
    pub fn new(config: &'a LoraConfig, adapted: &[String]) -> Result<Self, AdapterError> {
        Ok(Self {
            config,
            ranks: compiled("rank_pattern", &config.rank_pattern, adapted)?,
            alphas: compiled("alpha_pattern", &config.alpha_pattern, adapted)?,
        })
    }

    /// Returns the rank of a module's adapter: the value of the first matching rank pattern, else `r`.
    pub fn rank(&self, module: &str) -> usize {
        first(&self.ranks, module).unwrap_or(self.config.r)
    }

    /// Returns the factor of a module's adapter: alpha over rank, or alpha over the root of the rank with rsLoRA. Alpha
    /// is the value of the first matching alpha pattern, else `lora_alpha`.
    pub fn scale(&self, module: &str) -> f32 {
        let alpha = first(&self.alphas, module).unwrap_or(self.config.lora_alpha);
        self.config.scale(self.rank(module), alpha)
    }
}

/// Returns the value of the first pattern that matches `module`, in the order of the config; `None` when none matches.
fn first<T: Copy>(patterns: &[(Regex, T)], module: &str) -> Option<T> {
    patterns.iter().find(|(pattern, _)| fits(pattern, module)).map(|(_, value)| *value)
}

fn fits(pattern: &Regex, module: &str) -> bool {
    pattern.is_match(module).unwrap_or(false)
}

fn compiled<T: Copy>(
    field: &'static str,
    patterns: &IndexMap<String, T>,
    adapted: &[String],
) -> Result<Vec<(Regex, T)>, AdapterError> {
    let one = |(name, value): (&String, &T)| {
        // PEFT's `re.match(rf"(.*\.)?({name})$", module)`.
        let pattern = Regex::new(&format!(r"^(?:.*\.)?(?:{name})$")).map_err(|problem| AdapterError::Pattern {
            field,
            pattern: name.clone(),
            problem: problem.to_string(),
        })?;
        if !adapted.iter().any(|module| fits(&pattern, module)) {
            let nearest = nearest_module(name, adapted);
            return Err(AdapterError::NoMatch { field, target: name.clone(), nearest });
        }
        Ok((pattern, *value))
    };
    patterns.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Targets;
    use super::*;

    fn modules() -> Vec<String> {
        ["model.text_model.layers.0.self_attn.q_proj", "model.text_model.layers.1.self_attn.q_proj", "model.x.up_proj"]
            .map(str::to_owned)
            .to_vec()
    }

    fn config(ranks: &[(&str, usize)], alphas: &[(&str, f32)]) -> LoraConfig {
        LoraConfig {
            rank_pattern: ranks.iter().map(|(name, rank)| ((*name).to_owned(), *rank)).collect(),
            alpha_pattern: alphas.iter().map(|(name, alpha)| ((*name).to_owned(), *alpha)).collect(),
            ..LoraConfig::new(4, 8.0, Targets::Pattern("all-linear".to_owned()))
        }
    }

    #[test]
    fn the_first_matching_pattern_sets_rank_and_scale() {
        let config = config(&[(r"layers\.1\..*", 16), ("q_proj", 2)], &[("q_proj", 6.0)]);
        let patterns = Patterns::new(&config, &modules()).expect("patterns");
        let found = modules().iter().map(|module| (patterns.rank(module), patterns.scale(module))).collect::<Vec<_>>();
        assert_eq!(found, [(2, 3.0), (16, 6.0 / 16.0), (4, 2.0)]);
    }

    #[test]
    fn pattern_names_match_whole_parts_and_unused_patterns_are_refused() {
        let refused = |name: &str| {
            let config = config(&[(name, 2)], &[]);
            Patterns::new(&config, &modules()).err().expect("refused").to_string()
        };
        assert!(refused("proj").contains("rank_pattern"), "an end inside a part fits nothing");
        assert!(refused("q_porj").ends_with(r#"the nearest is "q_proj""#));
        assert!(refused("(").contains("not a regular expression"));
    }
}
