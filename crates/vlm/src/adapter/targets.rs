//! Selection of the modules that receive an adapter, by PEFT's rules for `target_modules` and `exclude_modules`.

use fancy_regex::Regex;

use super::layers::Layers;
use super::{AdapterError, LoraConfig, Targets, modules_to_save};
use crate::model::Vlm;
use crate::weights::nearest;

/// Returns the names of the linear layers that `may` get an adapter, and the names of the others.
pub fn linears(model: &mut Vlm, may: impl Fn(&str) -> bool) -> (Vec<String>, Vec<String>) {
    model.linears().into_iter().map(|linear| linear.name().to_owned()).partition(|name| may(name))
}

/// Returns the names of the linear layers that `config` selects from all parts of `model`, as PEFT does. [`attach`](super::attach)
/// adapts those among them that it is allowed to.
///
/// # Errors
/// When a target or exclusion matches no linear layer or is not a regular expression, or no layer remains.
pub fn selected(model: &mut Vlm, config: &LoraConfig) -> Result<Vec<String>, AdapterError> {
    let (names, without) = linears(model, |name| !modules_to_save::holds(&config.modules_to_save, name));
    select(config, &names, &without)
}

/// Returns the module names that `config` selects from `names`, in the order of `names`. `without` are the linear layers that
/// get no adapter in any case.
///
/// A list entry selects the module of that name and every module whose name ends in `.entry`. A pattern must match the
/// whole name. `all-linear` selects all names. `layers_to_transform` restricts what the ends of a list select. Exclusions are
/// removed afterwards.
///
/// # Errors
/// When a list entry or pattern matches none of `names`, a layer has none of the modules, a pattern is not a regular
/// expression, or no module remains.
pub fn select(config: &LoraConfig, names: &[String], without: &[String]) -> Result<Vec<String>, AdapterError> {
    let wanted = Matcher::new("target_modules", &config.target_modules, names, without)?;
    let unwanted = match &config.exclude_modules {
        Some(targets) => Some(Matcher::new("exclude_modules", targets, names, without)?),
        None => None,
    };
    let layers = Layers::new(config)?;
    let mut chosen: Vec<&String> = names.iter().filter(|name| wanted.takes(name)).collect();
    layers.check(&chosen)?;
    if let Targets::List(ends) = &config.target_modules {
        chosen.retain(|name| ends.contains(name) || layers.take(name));
    }
    chosen.retain(|name| !unwanted.as_ref().is_some_and(|matcher| matcher.takes(name)));
    if chosen.is_empty() {
        return Err(AdapterError::NoneLeft);
    }
    Ok(chosen.into_iter().cloned().collect())
}

enum Matcher<'a> {
    All,
    Ends(&'a [String]),
    Whole(Regex),
}

impl<'a> Matcher<'a> {
    /// Compiles `targets`. A target that matches none of `names` is an error, because it would have no effect.
    fn new(
        field: &'static str,
        targets: &'a Targets,
        names: &[String],
        without: &[String],
    ) -> Result<Self, AdapterError> {
        let no_match = |target: &str, matches: &dyn Fn(&str) -> bool| {
            let target = target.to_owned();
            match without.iter().find(|layer| matches(layer)) {
                Some(layer) => AdapterError::Without { field, target, layer: layer.clone() },
                None => AdapterError::NoMatch { field, nearest: nearest_module(&target, names), target },
            }
        };
        match targets {
            Targets::Pattern(pattern) if pattern == "all-linear" => Ok(Self::All),
            Targets::Pattern(pattern) => {
                let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|problem| AdapterError::Pattern {
                    field,
                    pattern: pattern.clone(),
                    problem: problem.to_string(),
                })?;
                let matcher = Self::Whole(whole);
                if names.iter().any(|name| matcher.takes(name)) {
                    Ok(matcher)
                } else {
                    Err(no_match(pattern, &|name| matcher.takes(name)))
                }
            }
            Targets::List(ends) => {
                for end in ends {
                    if !names.iter().any(|name| ends_in(name, end)) {
                        return Err(no_match(end, &|name| ends_in(name, end)));
                    }
                }
                Ok(Self::Ends(ends))
            }
        }
    }

    fn takes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Ends(ends) => ends.iter().any(|end| ends_in(name, end)),
            Self::Whole(pattern) => pattern.is_match(name).unwrap_or(false),
        }
    }
}

/// Returns whether `name` is `end` or ends in `.end`.
pub(super) fn ends_in(name: &str, end: &str) -> bool {
    name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Returns the name most similar to `target`: a whole name if `target` has a dot, otherwise the last part of a name.
/// `None` when none is similar.
pub(super) fn nearest_module(target: &str, names: &[String]) -> Option<String> {
    let whole = target.contains('.');
    nearest(target, names.iter().map(|name| if whole { name } else { name.rsplit('.').next().unwrap_or(name) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        [
            "model.text_model.layers.0.self_attn.q_proj",
            "model.text_model.layers.0.mlp.down_proj",
            "model.vision_model.q_proj",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn config(target_modules: Targets, exclude_modules: Option<Targets>) -> LoraConfig {
        LoraConfig { exclude_modules, ..LoraConfig::new(2, 4.0, target_modules) }
    }

    fn list(ends: &[&str]) -> Targets {
        Targets::List(ends.iter().map(|end| (*end).to_owned()).collect())
    }

    #[test]
    fn lists_match_ends_and_patterns_match_whole_names() {
        let chosen =
            |targets, exclude| select(&config(targets, exclude), &names(), &[]).map(|chosen| chosen.len()).ok();
        assert_eq!(chosen(list(&["q_proj"]), None), Some(2));
        assert_eq!(chosen(list(&["proj"]), None), None);
        assert_eq!(chosen(Targets::Pattern("q_proj".into()), None), None);
        assert_eq!(chosen(Targets::Pattern(r".*text_model.*\.q_proj".into()), None), Some(1));
        assert_eq!(chosen(Targets::Pattern("all-linear".into()), None), Some(3));
        assert_eq!(chosen(list(&["q_proj"]), Some(Targets::Pattern(".*vision.*".into()))), Some(1));
    }

    #[test]
    fn a_target_that_matches_nothing_names_the_nearest() {
        let refused = |targets, exclude| {
            let without = ["model.vision_model.fc1".to_owned()];
            select(&config(targets, exclude), &names(), &without).expect_err("no match").to_string()
        };
        let error = refused(list(&["q_porj"]), None);
        assert_eq!(error, r#"target_modules: "q_porj" matches no linear layer -> the nearest is "q_proj""#);
        let error = refused(Targets::Pattern("q_proj".to_owned()), None);
        assert!(error.contains(r#"-> write a list, ["q_proj"]: a string is a regular expression"#), "{error}");
        let error = refused(list(&["q_proj"]), Some(list(&["zzz"])));
        assert!(error.starts_with("exclude_modules: ") && error.ends_with("or leave it out"), "{error}");
        for targets in [list(&["fc1"]), Targets::Pattern(".*fc1".to_owned())] {
            let error = refused(targets, None);
            assert!(error.contains("matches only linear layers without an adapter, such as model.vision_model.fc1"));
        }
        let error = refused(list(&["q_proj"]), Some(list(&["q_proj"])));
        assert!(error.contains("no linear layer is left"), "{error}");
    }
}
